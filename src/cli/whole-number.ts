import { InvalidArgumentError } from 'commander';

/** Reads the value of an option. */
export function wholeNumber(text: string): number {
  return atLeast(1, text);
}

/** As `wholeNumber`, for what is counted from 0. */
export function indexNumber(text: string): number {
  return atLeast(0, text);
}

function atLeast(least: number, text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isSafeInteger(value) && value >= least) return value;
  throw new InvalidArgumentError(`It must be a whole number${least > 0 ? ' greater than 0' : ''}.`);
}
