/** Everything a terminal may take for a command or a new line: C0, DEL, C1, and the separators and marks of direction. */
const CONTROLS = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
const SHORT: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** A text of others for one line on a terminal: control characters as they are written in JSON. */
export function escapeControls(text: string): string {
  return text.replace(
    CONTROLS,
    (found) => SHORT[found] ?? `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
