// In: a timestamp or an id. Out: the time it tells.

/** The year has four digits in UTC too. */
const FIRST_MS = Date.parse('0001-01-01T00:00:00Z');
const END_MS = Date.UTC(10_000, 0);
const DATE_TIME =
  /^(\d{4}-\d\d)-(\d\d)T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)?$/i;

/** Whether a value is an ISO 8601 date and time with a zone, as `eventTimeMs` reads them. */
export function isDateTime(value: unknown): value is string {
  return typeof value === 'string' && ZONE.test(value) && !Number.isNaN(eventTimeMs(value));
}

const ZONE = /(Z|[+-]\d\d:\d\d)$/i;

/**
 * When an event happened: milliseconds since 1970. A time without a zone is UTC, in whatever zone this process runs.
 *
 * @returns NaN unless the text is an ISO 8601 date and time of an existing day, in the years 1 to 9999
 */
export function eventTimeMs(timestamp: string): number {
  const found = DATE_TIME.exec(timestamp);
  if (found === null) return Number.NaN;
  const [, month, day, , , zone] = found;
  const time = Date.parse(zone === undefined ? `${timestamp}Z` : timestamp);
  const isInRange = time >= FIRST_MS && time < END_MS;
  // The engine parses 30 February as 2 March.
  return isInRange && (Number(day) <= 28 || Number(day) <= daysIn(month!)) ? time : Number.NaN;
}

/** @param month such as `2024-02` */
function daysIn(month: string): number {
  const [year, number] = month.split('-').map(Number);
  // The day before the first of the next month. The calendar repeats every 400 years; adding them avoids two-digit
  // years.
  return new Date(Date.UTC(year! + 400, number!, 0)).getUTCDate();
}

const UUID_VERSION_AT = 14;
/** The version of UUIDs that begin with 48 bits of the time they were made at. */
const TIMED_UUID = '7';

/** When a UUID was made, if it tells: milliseconds since 1970. */
export function timeOfUuid(uuid: string): number | undefined {
  if (uuid[UUID_VERSION_AT] !== TIMED_UUID) return undefined;
  return Number.parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16);
}
