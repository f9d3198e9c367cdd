// What payloads of a type look like, from some that were sent.
import { type Member, members } from './exact-json.ts';

export interface SeenProperty {
  /** Within nested objects: `cart.currency`. */
  path: string;
  /** In how many of the payloads. */
  payloads: number;
  /** Most frequent first. */
  kinds: string[];
  /** Most frequent first, as they were written. */
  values: { value: string; payloads: number }[];
}

const MOST_VALUES = 3;
const MOST_LEVELS = 4;

/** Every property of the payloads, those in most payloads first. */
export function seenProperties(payloads: readonly string[]): SeenProperty[] {
  const valuesByPath = new Map<string, string[]>();
  for (const payload of payloads) {
    for (const [path, value] of leaves(payload, '', MOST_LEVELS)) {
      valuesByPath.set(path, [...(valuesByPath.get(path) ?? []), value]);
    }
  }
  return [...valuesByPath]
    .map(([path, values]) => ({
      path,
      payloads: values.length,
      kinds: byFrequency(values.map(kindOf)).map(([kind]) => kind),
      values: byFrequency(values)
        .slice(0, MOST_VALUES)
        .map(([value, times]) => ({ value, payloads: times })),
    }))
    .sort((one, other) => other.payloads - one.payloads || one.path.localeCompare(other.path));
}

/** A name given twice is read as other readers of JSON do: the last one counts. */
function leaves(object: string, before: string, levels: number): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of members(object)) {
    const path = before + name;
    if (levels > 1 && value.startsWith('{') && members(value).length > 0) {
      for (const inner of leaves(value, `${path}.`, levels - 1)) found.set(...inner);
    } else found.set(path, value);
  }
  return found;
}

function kindOf(value: Member[1]): string {
  if (value.startsWith('"')) return 'text';
  if (value.startsWith('{')) return 'object';
  if (value.startsWith('[')) return 'list';
  if (value === 'null') return 'null';
  return value === 'true' || value === 'false' ? 'boolean' : 'number';
}

function byFrequency(texts: readonly string[]): [text: string, times: number][] {
  const times = new Map<string, number>();
  for (const text of texts) times.set(text, (times.get(text) ?? 0) + 1);
  return [...times].sort((one, other) => other[1] - one[1]);
}
