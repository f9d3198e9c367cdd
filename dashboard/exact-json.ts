// JSON as it was written: numbers past 2^53, trailing zeros, escapes and members given twice stay what they are.

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/g;
const OPENING = '{[';
const CLOSING = '}]';

/** One member of an object: its name as text, its value as the JSON that was written. */
export type Member = [name: string, value: string];

/** The members of a JSON object, in their order; of `{"a":1.50}` it is `[["a", "1.50"]]`. */
export function members(object: string): Member[] {
  return items(object).map(([name = '', value = '']) => [asText(name), value]);
}

/** The elements of a JSON array, each as it was written. */
export function elements(array: string): string[] {
  return items(array).map(([element = '']) => element);
}

/** What a JSON string says; of any other value its JSON. */
export function asText(json: string): string {
  return json.startsWith('"') ? (JSON.parse(json) as string) : json;
}

/** The items of the outermost array or object, each cut at its colons. */
function items(text: string): string[][] {
  const found: string[][] = [];
  let item: string[] = [];
  let depth = 0;
  let start = 0;
  const cut = (end: number) => {
    item.push(text.slice(start, end).trim());
    start = end + 1;
  };
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    if (OPENING.includes(token)) {
      if (++depth === 1) start = index + 1;
    } else if (depth === 1 && token === ':') cut(index);
    else if (depth === 1 && (token === ',' || CLOSING.includes(token))) {
      cut(index);
      if (item.some((part) => part !== '')) found.push(item);
      item = [];
    }
    if (CLOSING.includes(token)) depth--;
  }
  return found;
}

/** Indents JSON text without reading it. */
export function prettyJson(text: string): string {
  let depth = 0;
  let result = '';
  const newLine = () => `\n${'  '.repeat(depth)}`;
  for (const token of text.match(TOKEN) ?? []) {
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
