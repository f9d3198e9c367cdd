// How deeply objects and arrays are nested. Works on text only: nothing recursive may walk JSON that is nested too
// deeply.

import { CLOSE_BRACE, endOfString, OPEN_BRACE, QUOTE } from './syntax.ts';

/** Many readers of JSON go no deeper by default, such as System.Text.Json. */
export const DEFAULT_LEVELS = 64;
/** The list and the event that enclose a payload. */
const AROUND = 2;
/** In which `[` and `{` differ, and what closes them. */
const BRACE_BIT = 0x20;

/**
 * Checks, for each member of an event as raw JSON text, whether a list containing the event would be nested too deeply.
 */
export function nestingErrors(members: Record<string, string | undefined>, maxLevels: number): string[] {
  return Object.entries(members)
    .filter(([, text]) => text !== undefined && levelsOf(text, maxLevels) + AROUND > maxLevels)
    .map(
      ([name]) =>
        `${name} must be nested less deep: at most ${maxLevels} levels of objects and arrays, with the event and the list that holds it`,
    );
}

/** @returns the nesting depth of the text, counted no further than just above `most` */
function levelsOf(json: string, most: number): number {
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < json.length && deepest <= most; at++) {
    const code = json.charCodeAt(at);
    if (code === QUOTE) at = endOfString(json, at);
    else if ((code | BRACE_BIT) === OPEN_BRACE) deepest = Math.max(deepest, ++depth);
    else if ((code | BRACE_BIT) === CLOSE_BRACE) depth--;
  }
  return deepest;
}
