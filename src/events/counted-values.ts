// In: an event. Out: the payload values that are counted of it.
import { rawMembers } from '../json/raw-json.ts';
import { payloadDimension, payloadPath, scalarAt } from './payload-path.ts';
import { isStorable } from './storable.ts';

export type CountedValue = [dimension: string, value: string];

/**
 * @param properties payload properties, such as `cart.currency`
 * @returns what reads their values from a payload and its JSON text; values too long to be shown in a list are not counted
 */
export function countedValuesOf(
  properties: readonly string[],
): (members: Record<string, unknown>, payload: string) => CountedValue[] {
  const counted = properties.map((member) => {
    const dimension = payloadDimension(member);
    return { dimension, path: payloadPath(dimension)! };
  });
  return (members, payload) =>
    counted.flatMap(({ dimension, path }): CountedValue[] => {
      const value = scalarAt(members, path, payload);
      return value === undefined || !isStorable(value) ? [] : [[dimension, value]];
    });
}

/** As what `countedValuesOf` returns, from the JSON text of a stored event. */
export function countedIn(
  json: string,
  countedValues: ReturnType<typeof countedValuesOf>,
): ReturnType<typeof countedValues> {
  const { payload } = JSON.parse(json) as { payload: Record<string, unknown> };
  return countedValues(payload, rawMembers(json).get('payload')!);
}
