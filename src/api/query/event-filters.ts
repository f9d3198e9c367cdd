// Query parameters that say which events are meant, read with a message for each that cannot be.

import { isDateTime, isStorable } from '../../events/event.ts';
import { payloadPath } from '../../events/payload-path.ts';
import type { EventFilter } from '../../query/event-query.ts';

export type QueryString = Record<string, string | string[] | undefined>;

const DATE = /^\d{4}-\d\d-\d\d$/;
const MAX_TYPES = 50;
const MAX_PAYLOAD_FILTERS = 10;

/** Reads parameters one by one and collects what is wrong with them. */
export class QueryReader {
  readonly errors: string[] = [];
  readonly #query: QueryString;

  /** @param known names of parameters beside `payload.…` */
  constructor(query: QueryString, known: readonly string[], { takesPayload }: { takesPayload: boolean }) {
    this.#query = query;
    for (const name of Object.keys(query)) {
      if (known.includes(name) || (takesPayload && payloadPath(name) !== undefined)) continue;
      const also = takesPayload ? ' and payload.MEMBER' : '';
      this.errors.push(`${name} is not a parameter: there are ${known.join(', ')}${also}`);
    }
  }

  one(name: string): string | undefined {
    const value = this.#query[name];
    if (!Array.isArray(value)) return value;
    this.errors.push(`${name} must be given once`);
    return undefined;
  }

  many(name: string): string[] | undefined {
    const value = this.#query[name];
    return value === undefined ? undefined : [value].flat();
  }

  integer(name: string, { least, most, fallback }: Record<'least' | 'most' | 'fallback', number>): number {
    const text = this.one(name);
    if (text === undefined) return fallback;
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    this.errors.push(`${name} must be a whole number from ${least} to ${most}`);
    return fallback;
  }

  choice<T extends string>(name: string, choices: readonly T[]): T {
    const text = this.one(name);
    if (text === undefined || choices.includes(text as T)) return (text ?? choices[0]) as T;
    this.errors.push(`${name} must be one of ${choices.join(', ')}`);
    return choices[0]!;
  }

  /** @returns milliseconds since 1970 */
  time(name: string): number | undefined {
    const text = this.one(name);
    if (text === undefined) return undefined;
    // A plus sign of a time zone that was not encoded arrives as a space.
    const value = text.replace(/ (\d\d:\d\d)$/, '+$1');
    if (isDate(value) || isDateTime(value)) return Date.parse(value);
    this.errors.push(
      `${name} must be a date, such as 2024-02-14, or a date and time with a time zone, such as 2024-02-14T10:30:00Z`,
    );
    return undefined;
  }

  /** Names of parameters that are `payload.…`. */
  payloadNames(): string[] {
    return Object.keys(this.#query).filter((name) => payloadPath(name) !== undefined);
  }
}

/** February has no 30th, whatever JavaScript makes of it. */
function isDate(text: string): boolean {
  return DATE.test(text) && !Number.isNaN(Date.parse(text)) && new Date(text).toISOString().startsWith(text);
}

export const FILTER_NAMES = ['userId', 'eventType', 'from', 'to'];

/** `userId`, `eventType` (may repeat), `payload.MEMBER`, and `from` and `to` where they are known. */
export function readFilter(reader: QueryReader): EventFilter {
  const userId = reader.one('userId');
  const eventTypes = reader.many('eventType');
  const from = reader.time('from');
  const to = reader.time('to');
  for (const [name, values] of [
    ['userId', userId === undefined ? [] : [userId]] as const,
    ['eventType', eventTypes ?? []] as const,
  ]) {
    if (values.some((value) => value === '' || !isStorable(value))) {
      reader.errors.push(`${name} must be 1 to 255 characters long, without NUL characters`);
    }
  }
  if ((eventTypes?.length ?? 0) > MAX_TYPES) reader.errors.push(`eventType may be given ${MAX_TYPES} times`);
  const names = reader.payloadNames();
  if (names.length > MAX_PAYLOAD_FILTERS) {
    reader.errors.push(`at most ${MAX_PAYLOAD_FILTERS} members of payloads may be given`);
  }
  const payload = names.map((name) => ({ path: payloadPath(name)!, value: reader.one(name) ?? '' }));
  return {
    ...(userId === undefined ? {} : { userId }),
    ...(eventTypes === undefined ? {} : { eventTypes: [...new Set(eventTypes)] }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    payload,
  };
}

/** A place as a text that another store does not take for its own. */
export function toCursor(generation: string, place: number): string {
  return `${generation}${place}`;
}

const CURSOR = /^(m[0-9a-f]{8}-)?(\d{1,15})$/;

/** @returns the generation and the place; undefined for a text that is no cursor */
export function parseCursor(text: string): { generation: string; place: number } | undefined {
  const [, generation = '', place] = CURSOR.exec(text) ?? [];
  return place === undefined ? undefined : { generation, place: Number(place) };
}
