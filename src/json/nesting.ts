// How deep objects and arrays are in each other. Texts only: what is too deep must not be walked by anything that recurses.

/** Many readers of JSON go no deeper by default, such as System.Text.Json. */
export const DEFAULT_LEVELS = 64;
/** The list and the event around a payload. */
const AROUND = 2;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Says for each member of an event, as raw JSON text, if a list that holds the event would be too deep. */
export function nestingErrors(members: Record<string, string | undefined>, maxLevels: number): string[] {
  return Object.entries(members)
    .filter(([, text]) => text !== undefined && levelsOf(text, maxLevels) + AROUND > maxLevels)
    .map(
      ([name]) =>
        `${name} must be nested less deep: at most ${maxLevels} levels of objects and arrays, with the event and the list that holds it`,
    );
}

/** @returns how deep the text is nested, as far as that is not more than `most` */
function levelsOf(json: string, most: number): number {
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < json.length && deepest <= most; at++) {
    const code = json.charCodeAt(at);
    if (code === QUOTE) at = endOfString(json, at);
    // `[` and `{`, and what closes them, differ in one bit.
    else if ((code | 0x20) === 0x7b) deepest = Math.max(deepest, ++depth);
    else if ((code | 0x20) === 0x7d) depth--;
  }
  return deepest;
}

/** @returns the index of the closing quote */
function endOfString(json: string, from: number): number {
  let at = json.indexOf('"', from + 1);
  while (isEscaped(json, at)) at = json.indexOf('"', at + 1);
  return at === -1 ? json.length : at;
}

function isEscaped(json: string, at: number): boolean {
  let backslashes = 0;
  while (json.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes++;
  return backslashes % 2 === 1;
}
