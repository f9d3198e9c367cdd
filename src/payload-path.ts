// Members of payloads by name: what is filtered by and what is counted.

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

/** @returns the text, number, truth value or null there, as a text; undefined where there is none of these */
export function scalarAt(payload: unknown, path: readonly string[]): string | undefined {
  let value = payload;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  if (typeof value === 'string') return value;
  return typeof value === 'object' && value !== null ? undefined : String(value);
}
