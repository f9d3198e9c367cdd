/**
 * Characters that a terminal may interpret as a command or a line break: C0, DEL, C1, separators and directional marks.
 */
const CONTROLS = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
const SHORT: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Makes untrusted text safe for one line on a terminal: control characters become JSON escapes. */
export function escapeControls(text: string): string {
  return text.replace(
    CONTROLS,
    (found) => SHORT[found] ?? `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
