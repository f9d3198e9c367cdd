// Payload properties by path, for filtering and counting.
import { compareDecimals } from '../json/decimals.ts';
import { rawAt } from '../json/raw-json.ts';

/** The external name of a payload property: `payload.cart.currency`. */
const PREFIX = 'payload.';

/** The path to a property; undefined for a text that names none. */
export function payloadPath(name: string): string[] | undefined {
  if (!name.startsWith(PREFIX)) return undefined;
  const path = name.slice(PREFIX.length).split('.');
  return path.includes('') ? undefined : path;
}

/** The name under which the values of a property, such as `cart.currency`, are counted. */
export function payloadDimension(member: string): string {
  return PREFIX + member;
}

/**
 * @param text the payload as sent
 * @returns the string, number, boolean or null at that path, as text; undefined if there is none. A number is in its
 *    shortest exact form; if no 64-bit number represents it, as sent
 */
export function scalarAt(payload: unknown, path: readonly string[], text: string): string | undefined {
  const value = valueAt(payload, path);
  if (typeof value === 'number') return numberText(value, rawAt(text, path));
  return isScalar(value) ? String(value) : undefined;
}

/** Whether it is a string, number, boolean or null: neither missing nor a list or an object. */
export function isScalar(value: unknown): boolean {
  return value === null || (value !== undefined && typeof value !== 'object');
}

/** More digits than each 64-bit number keeps, or an exponent that may lead beyond all of them. */
const LONG_NUMBER = /\d[\d.]{15}|\d[eE][+-]?\d{3}/g;

/** Whether a text, from a place on, may have numbers that are not exactly what they are read as. */
export function hasLongNumbers(text: string, from: number): boolean {
  LONG_NUMBER.lastIndex = from;
  return LONG_NUMBER.test(text);
}

/**
 * Whether a value equals the one searched for: in the form of `scalarAt`, or a number as it was sent.
 *
 * @param text called only if a number might match
 */
export function isScalarAt(
  payload: unknown,
  path: readonly string[],
  text: () => string,
  wanted: string,
): boolean {
  const value = valueAt(payload, path);
  if (typeof value !== 'number') return scalarAt(payload, path, '') === wanted;
  if (Number(wanted) !== value) return false;
  const raw = rawAt(text(), path);
  return wanted === raw || wanted === numberText(value, raw);
}

/** @returns undefined if nothing was sent there */
export function valueAt(payload: unknown, path: readonly string[]): unknown {
  let value = payload;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    // Every array has it, and nobody has sent it.
    if (name === 'length' && Array.isArray(value)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

function numberText(value: number, raw: string): string {
  const shortest = String(value);
  const isSame = shortest === raw || (Number.isFinite(value) && compareDecimals(shortest, raw) === 0);
  return isSame ? shortest : raw;
}
