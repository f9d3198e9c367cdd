import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify';
import Type from 'typebox';
import { ApiError } from '../../errors.ts';
import { type EventQuery, readAll, readPage, type ScanStep, search } from '../../query/event-query.ts';
import { readTimePage, searchByTime, type TimeQuery, upToLatest } from '../../query/time-query.ts';
import type { EventStore, StoredEvent } from '../../store/event-store.ts';
import { addVary } from '../hooks/access.ts';
import { QueryReader, type QueryString } from '../openapi/query-reader.ts';
import { count, FILTERS, PAYLOAD_FILTERS, PERIOD } from '../openapi/reading-schemas.ts';
import { answer, answers, ref } from '../openapi/schemas.ts';
import { parseCursor, parseTimeCursor, readFilter, toCursor, toTimeCursor } from './event-filters.ts';
import { type EventPages, formatFor, type ListFormat } from './list-formats.ts';

/** The memory of a list that is being sent: one page as events and as text, and the next page. */
const LIST_BYTES = 3_000_000;
const PAGE_LIMITS = { least: 1, most: 1000, fallback: 100 };
/** After this time a search returns what it has found and a cursor to continue from. */
const PATIENCE_MS = 2000;
/** The last two are older names for the first two. */
const ORDERS = ['stored', '-stored', 'time', '-time', 'asc', 'desc'] as const;
const DIRECTIONS = {
  stored: 'asc',
  '-stored': 'desc',
  time: 'asc',
  '-time': 'desc',
  asc: 'asc',
  desc: 'desc',
} as const;

const QUERY = Type.Object({
  ...FILTERS,
  ...PERIOD,
  order: Type.Optional({
    ...Type.Enum([...ORDERS]),
    description:
      'In the order of storing, or of the `timestamp` of the event; `-` for newest first. `asc` and `desc` are older names for `stored` and `-stored`.',
  }),
  limit: count(PAGE_LIMITS),
  cursor: Type.Optional({
    ...Type.String({ pattern: '^(m[0-9a-f]{8}-)?(-?time\\.-?\\d{1,16}\\.)?\\d{1,15}$' }),
    description: 'From the `Link` of an earlier response with the same `order`.',
  }),
});
const LIST_EVENTS: FastifySchema = {
  operationId: 'listEvents',
  tags: ['Reading'],
  summary: 'Stored events: all, or a page of those that match',
  description: `Without parameters: all events, oldest first. With any: a page of the events that match, in the order asked for; \`Link: rel=next\` is the address of the next page, also when the search ran out of time before the page was full. \`Event-Cursor\` says how far a page in the order \`stored\` has looked; the stream can continue from there. ${PAYLOAD_FILTERS} As NDJSON or CSV, without limit and cursor: all events that match.`,
  querystring: QUERY,
  response: answers.read(
    {
      200: answer('A JSON array; NDJSON or CSV if `Accept` asks for it.', {
        'application/json': Type.Array(ref('Event')),
        'application/x-ndjson': Type.String(),
        'text/csv': Type.String(),
      }),
    },
    'invalid_query',
    'cursor_reset',
    'store_unavailable',
  ),
};

export interface ProcessedRoutesOptions {
  store: EventStore;
}

/** Stored events: all, or a page of those that match. */
export async function processedRoutes(
  api: FastifyInstance,
  { store }: ProcessedRoutesOptions,
): Promise<void> {
  api.get<{ Querystring: QueryString }>(
    '/events/processed',
    { schema: LIST_EVENTS, config: { reservesBytes: LIST_BYTES, scope: 'read' } },
    async (request, reply) => {
      const format = formatFor(request.headers.accept);
      addVary(reply.type(format.contentType), 'Accept');
      if (Object.keys(request.query).length === 0) return sendList(reply, format, readAll(store));
      const { query, isPage } = readQuery(request, store.storeId);
      if (query.reached !== undefined) await checkReached(query.reached);
      if (format.mediaType !== 'application/json' && !isPage) {
        const steps = query.byTime
          ? searchByTime(store, await upToLatest(store, query.byTime))
          : search(store, query.asStored);
        return sendList(reply, format, eventsOf(steps));
      }
      return sendPage(request, reply, format, query);
    },
  );

  /** A store that does not reach a sequence it once returned has been restored or emptied since. */
  async function checkReached(sequence: number): Promise<void> {
    const { latest, stable } = await store.watermarks();
    if (sequence > Math.max(latest, stable)) throw new ApiError('cursor_reset');
  }

  async function sendPage(
    request: FastifyRequest<{ Querystring: QueryString }>,
    reply: FastifyReply,
    format: ListFormat,
    query: ListQuery,
  ): Promise<FastifyReply> {
    const { events, next, lookedUpTo } = await (query.byTime
      ? timePage(query.byTime, query)
      : storedPage(query.asStored, query));
    if (lookedUpTo !== undefined) reply.header('Event-Cursor', lookedUpTo);
    if (next !== undefined) reply.header('Link', `<${nextAddress(request, next)}>; rel="next"`);
    return reply.send((await Array.fromAsync(format.write(onePage(events)))).join(''));
  }

  async function storedPage(query: EventQuery, { limit }: ListQuery): Promise<ListPage> {
    const { events, next, scannedUpTo } = await readPage(store, query, { limit, patienceMs: PATIENCE_MS });
    const cursorOf = (sequence: number) => toCursor(store.storeId, sequence);
    return {
      events,
      next: next === undefined ? undefined : cursorOf(next),
      lookedUpTo: query.order === 'asc' ? cursorOf(scannedUpTo) : undefined,
    };
  }

  async function timePage(query: TimeQuery, { limit }: ListQuery): Promise<ListPage> {
    const { events, next } = await readTimePage(store, query, { limit, patienceMs: PATIENCE_MS });
    const order = query.order === 'asc' ? 'time' : '-time';
    return { events, next: next && toTimeCursor(store.storeId, order, next) };
  }
}

/** One of the two ways to read, and what they share. */
type ListQuery = { limit: number; reached: number | undefined } & (
  | { asStored: EventQuery; byTime?: undefined }
  | { byTime: TimeQuery }
);

/** With its cursors as text. */
interface ListPage {
  events: StoredEvent[];
  next: string | undefined;
  lookedUpTo?: string | undefined;
}

/** @throws ApiError `invalid_query` */
function readQuery(
  { query: given }: FastifyRequest<{ Querystring: QueryString }>,
  storeId: string,
): { query: ListQuery; isPage: boolean } {
  const reader = new QueryReader(given, QUERY, { takesPayload: true });
  const filter = readFilter(reader);
  const order = reader.choice('order');
  const limit = reader.integer('limit');
  const text = reader.one('cursor');
  const isByTime = order === 'time' || order === '-time';
  const place = text !== undefined && isByTime ? parseTimeCursor(text, order) : undefined;
  const cursor = text !== undefined && !isByTime ? parseCursor(text) : place;
  if (text !== undefined && cursor === undefined) {
    reader.errors.push('cursor must be of the Link of an earlier answer with the same order');
  }
  reader.done();
  if (cursor !== undefined && cursor.storeId !== storeId) throw new ApiError('cursor_reset');
  const both = { limit, reached: cursor?.sequence };
  const wanted = { ...filter, order: DIRECTIONS[order] };
  const query: ListQuery = isByTime
    ? { ...both, byTime: { ...wanted, cursor: place } }
    : { ...both, asStored: { ...wanted, cursor: cursor?.sequence } };
  return { query, isPage: given.limit !== undefined || given.cursor !== undefined };
}

/** The same URL with the next page's cursor. */
function nextAddress({ url }: FastifyRequest, cursor: string): string {
  const queryAt = url.indexOf('?');
  const parameters = url.slice(queryAt + 1).split('&');
  const others = parameters.filter((parameter) => !new URLSearchParams(parameter).has('cursor'));
  // Unchanged, except for characters that would end the URL in the header.
  const kept = others.map((parameter) => parameter.replace(/[<>"]/g, encodeURIComponent));
  return `${url.slice(0, queryAt)}?${[...kept, `cursor=${cursor}`].join('&')}`;
}

async function sendList(reply: FastifyReply, format: ListFormat, pages: EventPages): Promise<FastifyReply> {
  const ahead = readAhead(pages);
  // Reads the first page before sending the status line, so that a failure here still gets an error response.
  await ahead.first;
  return reply.send(Readable.from(format.write(ahead.pages), { highWaterMark: 1 }));
}

/** Reads the next page while the current one is being sent. */
function readAhead(pages: EventPages): { first: Promise<unknown>; pages: EventPages } {
  const iterator = pages[Symbol.asyncIterator]();
  const read = () => {
    const page = iterator.next();
    // Reported when it is awaited; if the reader has gone, nobody awaits it.
    page.catch(() => {});
    return page;
  };
  const first = read();
  return {
    first,
    pages: (async function* () {
      let next = first;
      for (let page = await next; !page.done; page = await next) {
        next = read();
        yield page.value;
      }
    })(),
  };
}

async function* eventsOf(steps: AsyncIterable<ScanStep<StoredEvent, unknown>>): EventPages {
  for await (const { events } of steps) yield events;
}

async function* onePage(events: Awaited<ReturnType<typeof readPage>>['events']): EventPages {
  yield events;
}
