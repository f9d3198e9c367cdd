// Stored events as the texts that lists are made of. An event is JSON already and is not parsed to be sent.
import { stringify } from 'csv-stringify/sync';
import Negotiator from 'negotiator';
import { rawMembers } from '../../json/raw-json.ts';
import type { StoredEvent } from '../../store/event-store.ts';

export type EventPages = AsyncIterable<readonly StoredEvent[]>;

/** A form in which lists of events are sent. */
export interface ListFormat {
  mediaType: string;
  contentType: string;
  /** The body, a chunk for each page. When a page cannot be read, it breaks off: never a shorter list. */
  write(pages: EventPages): AsyncIterable<string>;
}

const JSON_ARRAY: ListFormat = {
  mediaType: 'application/json',
  contentType: 'application/json; charset=utf-8',
  async *write(pages) {
    let opening = '[';
    for await (const page of pages) {
      if (page.length === 0) continue;
      yield opening + page.map(({ json }) => json).join(',');
      opening = ',';
    }
    yield opening === '[' ? '[]' : ']';
  },
};

const JSON_LINES: ListFormat = {
  mediaType: 'application/x-ndjson',
  contentType: 'application/x-ndjson; charset=utf-8',
  async *write(pages) {
    for await (const page of pages) yield page.map(({ json }) => `${oneLine(json)}\n`).join('');
  },
};

const COLUMNS = ['eventId', 'userId', 'eventType', 'timestamp', 'payload'] as const;

const CSV: ListFormat = {
  mediaType: 'text/csv',
  contentType: 'text/csv; charset=utf-8; header=present',
  async *write(pages) {
    yield csv([], true);
    for await (const page of pages) if (page.length > 0) yield csv(page, false);
  },
};

/** A spreadsheet must not take what a user sent for a formula. */
function csv(page: readonly StoredEvent[], header: boolean): string {
  return stringify(
    page.map(({ json }) => csvRow(json)),
    { header, columns: [...COLUMNS], record_delimiter: '\r\n', escape_formulas: true },
  );
}

function csvRow(json: string): string[] {
  const members = rawMembers(json);
  return COLUMNS.map((name) => {
    const raw = members.get(name)!;
    if (name === 'payload') return oneLine(raw);
    const text = JSON.parse(raw) as string;
    // The library looks at the first character alone.
    return /^[\s]+[=+\-@]/.test(text) ? `'${text}` : text;
  });
}

/** The first is what is sent to those who take anything. */
const FORMATS = [JSON_ARRAY, JSON_LINES, CSV];

/** Other names of one line a JSON value. */
const LINES_TOO = ['application/jsonl', 'application/ndjson'];
const MEDIA_TYPES = [...FORMATS.map(({ mediaType }) => mediaType), ...LINES_TOO];

/** The form a reader likes best, by RFC 9110 (12.5.1); who takes none of them is sent JSON. */
export function formatFor(accept: string | undefined): ListFormat {
  const chosen = new Negotiator({ headers: { accept } }).mediaType(MEDIA_TYPES);
  if (chosen !== undefined && LINES_TOO.includes(chosen)) return JSON_LINES;
  return FORMATS.find(({ mediaType }) => mediaType === chosen) ?? JSON_ARRAY;
}

/** A line break in a payload is space between its members: inside a string it is written `\n`. */
export function oneLine(json: string): string {
  return json.replaceAll(/[\r\n]/g, ' ');
}
