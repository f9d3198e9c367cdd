// How numbers are said.

const COUNT = new Intl.NumberFormat('en');
const SHORT = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

export const count = (value: number) => COUNT.format(value);
/** At most four characters or so. */
export const short = (value: number) => (value < 10_000 ? COUNT.format(value) : SHORT.format(value));

export function many(value: number, one: string, more = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : more}`;
}
