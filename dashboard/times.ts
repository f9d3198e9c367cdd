// How times are said: in the zone the reader chose, to the millisecond where that matters, and how long ago.
import { computed, signal } from '@preact/signals';

const ZONE_ITEM = 'footfall-zone';
const UNITS: [unit: Intl.RelativeTimeFormatUnit, ms: number][] = [
  ['year', 365 * 86_400_000],
  ['month', 30 * 86_400_000],
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
];
const AGO = new Intl.RelativeTimeFormat('en', { numeric: 'always', style: 'short' });

type Zone = 'local' | 'UTC';

/** In which zone times are shown. Kept for the next visit; addresses hold UTC whatever it is. */
export const zone = signal<Zone>(localStorage.getItem(ZONE_ITEM) === 'UTC' ? 'UTC' : 'local');

export function showIn(chosen: Zone): void {
  localStorage.setItem(ZONE_ITEM, chosen);
  zone.value = chosen;
}

/** The present, by the second. */
export const now = signal(Date.now());
setInterval(() => {
  now.value = Date.now();
}, 1000);

const formats = computed(() => makeFormats(zone.value));
const UTC_FORMATS = makeFormats('UTC');

function makeFormats(chosen: Zone) {
  const timeZone = chosen === 'UTC' ? 'UTC' : undefined;
  const time = { hour: '2-digit', minute: '2-digit', second: '2-digit', timeZone } as const;
  const day = { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric', timeZone } as const;
  return {
    clock: new Intl.DateTimeFormat('en-GB', time),
    exact: new Intl.DateTimeFormat('en-GB', { ...time, fractionalSecondDigits: 3 }),
    date: new Intl.DateTimeFormat('en-GB', day),
    short: new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone }),
    offset: new Intl.DateTimeFormat('en-GB', { timeZoneName: 'shortOffset', timeZone }),
  };
}

type Instant = string | number;

/** `14:03:05` */
export const clock = (time: Instant) => saying(formats.value.clock, time);
/** `14:03:05.123` */
export const exactClock = (time: Instant) => saying(formats.value.exact, time);
/** `Wed, 25 Nov 2026` */
export const date = (time: Instant) => saying(formats.value.date, time);
/** `25 Nov` */
export const shortDate = (time: Instant) => saying(formats.value.short, time);
/** `25 Nov` of a day that is counted in UTC, whatever zone is shown. */
export const utcDay = (time: Instant) => saying(UTC_FORMATS.short, time);

/** `UTC+1` at this moment. */
export function offsetOf(time: Instant, chosen: Zone = zone.value): string {
  if (chosen === 'UTC') return 'UTC';
  const parts = makeFormats(chosen).offset.formatToParts(new Date(time));
  return parts.find(({ type }) => type === 'timeZoneName')!.value.replace('GMT', 'UTC');
}

/** `3 min. ago`; nothing for what is not a time. */
export function ago(time: Instant): string {
  const passed = new Date(time).getTime() - now.value;
  if (Number.isNaN(passed)) return '';
  const [unit, ms] = UNITS.find(([, ms]) => Math.abs(passed) >= ms) ?? ['second', 1000];
  const amount = Math.trunc(passed / ms);
  return amount === 0 ? 'now' : AGO.format(amount, unit);
}

/** What another producer wrote as a time need not be one this browser knows. */
function saying(format: Intl.DateTimeFormat, time: Instant): string {
  const at = new Date(time);
  return Number.isNaN(at.getTime()) ? String(time) : format.format(at);
}

/** For a field of a form, which knows no zone: `2026-11-25T14:03:05` as the clock shows it. Empty if it is no time. */
export function toField(time: string): string {
  const at = new Date(time);
  if (time === '' || Number.isNaN(at.getTime())) return '';
  const minutes = zone.value === 'UTC' ? 0 : at.getTimezoneOffset();
  return new Date(at.getTime() - minutes * 60_000).toISOString().slice(0, 19);
}

/** What such a field means, in UTC. */
export function ofField(text: string): string {
  const at = new Date(zone.value === 'UTC' ? `${text}Z` : text);
  return Number.isNaN(at.getTime()) ? '' : at.toISOString();
}

/** The first moment after a day that a field of a form names, such as `2026-11-25`, in UTC. */
export function endOfDay(day: string): string {
  const at = new Date(zone.value === 'UTC' ? `${day}T00:00:00Z` : `${day}T00:00:00`);
  if (zone.value === 'UTC') at.setUTCDate(at.getUTCDate() + 1);
  else at.setDate(at.getDate() + 1);
  return at.toISOString();
}

/** The name of the zone in which times are shown. */
export function timeZone(): string {
  return zone.value === 'UTC' ? 'UTC' : new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** Where the week of a time began, or one so many weeks before it, in UTC. */
export function mondayBefore(time: number, weeks: number): string {
  const at = new Date(time);
  if (zone.value === 'UTC') {
    at.setUTCHours(0, 0, 0, 0);
    at.setUTCDate(at.getUTCDate() - ((at.getUTCDay() + 6) % 7) - weeks * 7);
  } else {
    at.setHours(0, 0, 0, 0);
    at.setDate(at.getDate() - ((at.getDay() + 6) % 7) - weeks * 7);
  }
  return at.toISOString();
}
