const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const SPACE = 0x20;

/**
 * The top-level members of a JSON object, each value as the text it was written in, so that numbers past
 * 2^53, key order and escapes survive. Of a repeated name the last counts, as with `JSON.parse`.
 *
 * @param text a JSON object that `JSON.parse` has already accepted; on other text the result means nothing
 */
export function rawMembers(text: string): Map<string, string> {
  const members = new Map<string, string>();
  let at = skipSpace(text, skipSpace(text, 0) + 1);
  while (text.charCodeAt(at) !== CLOSE_BRACE) {
    const nameEnd = skipString(text, at);
    const name = JSON.parse(text.slice(at, nameEnd)) as string;
    const valueStart = skipSpace(text, skipSpace(text, nameEnd) + 1);
    const valueEnd = skipValue(text, valueStart);
    members.set(name, text.slice(valueStart, valueEnd));
    at = skipSpace(text, valueEnd);
    if (text.charCodeAt(at) === COMMA) at = skipSpace(text, at + 1);
  }
  return members;
}

/**
 * The text of the value that a path of names leads to; in arrays, names are indexes.
 *
 * @param text as for `rawMembers`, of an object or an array in which there is such a value
 */
export function rawAt(text: string, path: readonly string[]): string {
  let value = text;
  for (const name of path) {
    const isArray = value.charCodeAt(skipSpace(value, 0)) === OPEN_BRACKET;
    value = isArray ? rawElement(value, Number(name)) : rawMembers(value).get(name)!;
  }
  return value;
}

function rawElement(text: string, index: number): string {
  let at = skipSpace(text, skipSpace(text, 0) + 1);
  for (let passed = 0; passed < index; passed++) {
    at = skipSpace(text, skipSpace(text, skipValue(text, at)) + 1);
  }
  return text.slice(at, skipValue(text, at));
}

function skipSpace(text: string, at: number): number {
  let next = at;
  while (text.charCodeAt(next) <= SPACE) next++;
  return next;
}

/** @returns the index after the closing quote of the string that opens at `at` */
function skipString(text: string, at: number): number {
  let next = at;
  for (;;) {
    next = text.indexOf('"', next + 1);
    let backslashes = 0;
    while (text.charCodeAt(next - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return next + 1;
  }
}

function skipValue(text: string, at: number): number {
  const first = text.charCodeAt(at);
  if (first === QUOTE) return skipString(text, at);
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return skipNested(text, at);
  let next = at;
  for (;;) {
    const code = text.charCodeAt(next);
    if (code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET || code <= SPACE) return next;
    next++;
  }
}

function skipNested(text: string, at: number): number {
  let depth = 0;
  let next = at;
  for (;;) {
    const code = text.charCodeAt(next);
    if (code === QUOTE) {
      next = skipString(text, next);
      continue;
    }
    next++;
    if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++;
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      depth--;
      if (depth === 0) return next;
    }
  }
}
