// Members of payloads by name: what is filtered by and what is counted.
import { rawAt } from '../json/raw-json.ts';

/** How a member of a payload is named from outside: `payload.cart.currency`. */
const PREFIX = 'payload.';

/** The names on the way to a member; undefined for a text that names none. */
export function payloadPath(name: string): string[] | undefined {
  if (!name.startsWith(PREFIX)) return undefined;
  const path = name.slice(PREFIX.length).split('.');
  return path.includes('') ? undefined : path;
}

/** What the values of a member, such as `cart.currency`, are counted under. */
export function payloadDimension(member: string): string {
  return PREFIX + member;
}

/**
 * @param text the payload as it was sent
 * @returns the text, number, truth value or null there, as a text; undefined where there is none of these. A number is
 *   written in the shortest way that means it; where no number of 64 bits does, as it was sent
 */
export function scalarAt(payload: unknown, path: readonly string[], text: string): string | undefined {
  const value = valueAt(payload, path);
  if (typeof value === 'number') return numberText(value, rawAt(text, path));
  return value === undefined || (typeof value === 'object' && value !== null) ? undefined : String(value);
}

/**
 * Whether a value is what a reader looks for: as `scalarAt` has it, or a number as it was sent.
 *
 * @param text asked for where there is a number that may be meant
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

function valueAt(payload: unknown, path: readonly string[]): unknown {
  let value = payload;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

function numberText(value: number, raw: string): string {
  const shortest = String(value);
  const isSame = shortest === raw || (Number.isFinite(value) && decimal(shortest) === decimal(raw));
  return isSame ? shortest : raw;
}

const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d{1,15}))?$/i;

/** The digits and the exponent of a number, the same for all its texts; undefined for absurd exponents. */
function decimal(text: string): string | undefined {
  const [, sign, whole = '', fraction = '', exponent = '0'] = DECIMAL.exec(text) ?? [];
  if (sign === undefined) return undefined;
  const digits = (whole + fraction).replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  if (significant === '') return '0';
  const power = Number(exponent) - fraction.length + digits.length - significant.length;
  return `${sign}${significant}e${power}`;
}
