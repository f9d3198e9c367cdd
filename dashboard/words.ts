// How numbers are said.

const COUNT = new Intl.NumberFormat('en');
const SHORT = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

export const count = (value: number) => COUNT.format(value);
/** At most four characters or so. */
export const short = (value: number) => (value < 10_000 ? COUNT.format(value) : SHORT.format(value));

/** `under a minute`, `45 minutes`, `2 h 5 min` */
export function duration(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  if (minutes < 1) return 'under a minute';
  if (minutes < 60) return many(minutes, 'minute');
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const UNITS: [unit: string, ms: number][] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
];

/** `340 ms`, `12.5 min`, `3 d` */
export function passed(ms: number): string {
  const [unit, each] = UNITS.find(([, each]) => ms >= each) ?? ['ms', 1];
  return `${Math.round((10 * ms) / each) / 10} ${unit}`;
}

export function many(value: number, one: string, more = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : more}`;
}

/** Of a share from 0 to 1: `33 %`, `0.5 %`; what is not none is never said to be. */
export function percent(share: number): string {
  const value = 100 * share;
  if (value === 0 || value >= 10) return `${Math.round(value)} %`;
  return value < 0.1 ? '< 0.1 %' : `${Math.round(value * 10) / 10} %`;
}
