// Formats for lists of stored events. An event is stored as JSON and sent without parsing it.
import { stringify } from 'csv-stringify/sync';
import Negotiator from 'negotiator';
import { rawMembers } from '../../json/raw-json.ts';
import type { StoredEvent } from '../../store/event-store.ts';

export type EventPages = AsyncIterable<readonly StoredEvent[]>;

/** A format for lists of events. */
export interface ListFormat {
  mediaType: string;
  contentType: string;
  /** The body, one chunk per page. If a page cannot be read, the response breaks off, so a partial list never looks complete. */
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

/** A spreadsheet must not run what a user sent as a formula. */
function csv(page: readonly StoredEvent[], header: boolean): string {
  return stringify(
    page.map(({ json }) => csvRow(json)),
    {
      header,
      columns: [...COLUMNS],
      record_delimiter: '\r\n',
      escape_formulas: true,
      quoted_match: /[\r\n]/,
    },
  );
}

function csvRow(json: string): string[] {
  const members = rawMembers(json);
  return COLUMNS.map((name) => {
    const raw = members.get(name)!;
    if (name === 'payload') return oneLine(raw);
    const text = JSON.parse(raw) as string;
    // The library only checks the first character.
    return /^[\s]+[=+\-@]/.test(text) ? `'${text}` : text;
  });
}

/** The first is the default. */
const FORMATS = [JSON_ARRAY, JSON_LINES, CSV];

/** Other media types for one JSON value per line. */
const LINES_TOO = ['application/jsonl', 'application/ndjson'];
const MEDIA_TYPES = [...FORMATS.map(({ mediaType }) => mediaType), ...LINES_TOO];

/** The client's preferred format, by RFC 9110 (12.5.1); JSON if it accepts none of them. */
export function formatFor(accept: string | undefined): ListFormat {
  const chosen = new Negotiator({ headers: { accept } }).mediaType(MEDIA_TYPES);
  if (chosen !== undefined && LINES_TOO.includes(chosen)) return JSON_LINES;
  return FORMATS.find(({ mediaType }) => mediaType === chosen) ?? JSON_ARRAY;
}

/** A raw line break can only be whitespace between members: inside a string it is escaped as `\n`. */
export function oneLine(json: string): string {
  return json.replaceAll(/[\r\n]/g, ' ');
}
