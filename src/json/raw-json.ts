import {
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COMMA,
  endOfString,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  SPACE,
} from './syntax.ts';

/**
 * The top-level members of a JSON object, each value as its original text, so that numbers beyond 2^53, key order and
 * escapes survive. The last of duplicate names wins, as with `JSON.parse`.
 *
 * @param text a JSON object that `JSON.parse` has already accepted; for any other text the result is meaningless
 */
export function rawMembers(text: string): Map<string, string> {
  const members = new Map<string, string>();
  let at = skipSpace(text, skipSpace(text, 0) + 1);
  while (text.charCodeAt(at) !== CLOSE_BRACE) {
    const nameEnd = endOfString(text, at) + 1;
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
 * The text of the value at a path of names; in arrays, names are indexes.
 *
 * @param text as for `rawMembers`, an object or array that contains such a value
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

function skipValue(text: string, at: number): number {
  const first = text.charCodeAt(at);
  if (first === QUOTE) return endOfString(text, at) + 1;
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
      next = endOfString(text, next) + 1;
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
