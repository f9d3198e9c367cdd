// In: an event. Out: the values it has, each with its property, in the form in which filters find them.
import { hasLongNumbers, scalarAt } from '../events/payload-path.ts';
import { MAX_ID_LENGTH } from '../events/storable.ts';
import { rawMembers } from '../json/raw-json.ts';

/** Names that no property of a payload has. */
export const FIELDS = { userId: '.userId', eventType: '.eventType' };

export interface ValueReader<Group> {
  /** @param property `device`, `cart.price` or of `FIELDS`. @returns what its values belong to; undefined if to nothing */
  group(property: string): Group | undefined;
  /**
   * @param value null for each event that has the property, whatever its value
   * @param times of how many events
   */
  see(group: Group, value: string | null, times: number): void;
}

export interface ReadEvent {
  userId: string;
  eventType: string;
  payload: Record<string, unknown>;
}

/** Tells of each value once. @param json of the same event */
export function readValues<Group>(event: ReadEvent, json: string, reader: ValueReader<Group>): void {
  const { userId, eventType, payload } = event;
  see(reader, FIELDS.eventType, eventType);
  see(reader, FIELDS.userId, userId);
  new PayloadReader(json, payload, reader).read(payload, '');
}

function see<Group>(reader: ValueReader<Group>, property: string, value: string): void {
  const group = reader.group(property);
  if (group !== undefined) reader.see(group, value, 1);
}

class PayloadReader<Group> {
  readonly #json: string;
  readonly #payload: unknown;
  readonly #reader: ValueReader<Group>;
  /** Whether a number may not be what it is read as; undefined until there is a number. */
  #hasLongNumbers: boolean | undefined;

  constructor(json: string, payload: unknown, reader: ValueReader<Group>) {
    this.#json = json;
    this.#payload = payload;
    this.#reader = reader;
  }

  /** The same properties as of `propertiesOf`, which takes too long for a million events. */
  read(members: Record<string, unknown>, above: string): void {
    for (const name in members) {
      if (name === '' || name.includes('.') || above.length + name.length > MAX_ID_LENGTH) continue;
      const value = members[name];
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
        this.read(value as Record<string, unknown>, `${above}${name}.`);
        continue;
      }
      const property = above + name;
      const group = this.#reader.group(property);
      if (group === undefined) continue;
      this.#reader.see(group, null, 1);
      if (typeof value === 'number') this.#reader.see(group, this.#numberText(value, property), 1);
      else if (!Array.isArray(value)) this.#reader.see(group, String(value), 1);
    }
  }

  #numberText(value: number, property: string): string {
    // Of what is before the payload, ids look like long numbers.
    this.#hasLongNumbers ??= hasLongNumbers(this.#json, Math.max(0, this.#json.indexOf('"payload":')));
    if (!this.#hasLongNumbers) return String(value);
    return scalarAt(this.#payload, property.split('.'), rawMembers(this.#json).get('payload')!)!;
  }
}
