// How numbers and times are said.

const COUNT = new Intl.NumberFormat('en');
const SHORT = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const TIME = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const DAY = new Intl.DateTimeFormat('en-GB', {
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  year: 'numeric',
});

export const count = (value: number) => COUNT.format(value);
/** At most four characters or so. */
export const short = (value: number) => (value < 10_000 ? COUNT.format(value) : SHORT.format(value));
/** Of this browser's time zone. */
export const clock = (time: string | number) => saying(TIME, time);
export const date = (time: string | number) => saying(DAY, time);

/** What another producer wrote as a time need not be one this browser knows. */
function saying(format: Intl.DateTimeFormat, time: string | number): string {
  const at = new Date(time);
  return Number.isNaN(at.getTime()) ? String(time) : format.format(at);
}

export function many(value: number, one: string, more = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : more}`;
}
