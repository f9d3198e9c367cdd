const OPENING = '{[';
const CLOSING = '}]';

/** Indents JSON text without reading it: large numbers, escapes and the order of members stay as they are. */
export function prettyJson(text: string): string {
  let depth = 0;
  let result = '';
  const newLine = () => `\n${'  '.repeat(depth)}`;
  for (const token of text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/g) ?? []) {
    if (OPENING.includes(token)) {
      depth++;
      result += token + newLine();
    } else if (CLOSING.includes(token)) {
      depth--;
      const isEmpty = OPENING.includes(result.trimEnd().at(-1)!);
      result = isEmpty ? result.trimEnd() + token : result + newLine() + token;
    } else if (token === ',') result += token + newLine();
    else result += token === ':' ? ': ' : token;
  }
  return result;
}
