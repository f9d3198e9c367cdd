import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify';
import Type from 'typebox';
import { ApiError } from '../../errors.ts';
import { type EventQuery, readAll, readPage, type ScanStep, search } from '../../query/event-query.ts';
import { readTimePage, searchByTime, type TimeQuery, upToLatest } from '../../query/time-query.ts';
import type { EventStore, StoredEvent, TimePlace } from '../../store/event-store.ts';
import { addVary } from '../hooks/access.ts';
import { QueryReader, type QueryString } from '../openapi/query-reader.ts';
import { count, FILTERS, PAYLOAD_FILTERS, PERIOD } from '../openapi/reading-schemas.ts';
import { answer, answers, ref } from '../openapi/schemas.ts';
import {
  parseCursor,
  parseTimeCursor,
  readFilter,
  type TimeOrder,
  toCursor,
  toTimeCursor,
} from './event-filters.ts';
import { type EventPages, formatFor, type ListFormat } from './list-formats.ts';

/** What a list takes while it is sent: a page as events and as text, and the next one. */
const LIST_BYTES = 3_000_000;
const PAGE_LIMITS = { least: 1, most: 1000, fallback: 100 };
/** After this a search for a page answers with what it has, and where to go on. */
const PATIENCE_MS = 2000;
/** The last two are older names of the first two. */
const ORDERS = ['stored', '-stored', 'time', '-time', 'asc', 'desc'] as const;

const QUERY = Type.Object({
  ...FILTERS,
  ...PERIOD,
  order: Type.Optional({
    ...Type.Enum([...ORDERS]),
    description:
      'By when events were stored, or by their own `timestamp`; `-` for the latest first. `asc` and `desc` are other names of `stored` and `-stored`.',
  }),
  limit: count(PAGE_LIMITS),
  cursor: Type.Optional({
    ...Type.String({ pattern: '^(m[0-9a-f]{8}-)?(-?time\\.-?\\d{1,16}\\.)?\\d{1,15}$' }),
    description: 'From the `Link` of an earlier answer with the same `order`.',
  }),
});
const LIST_EVENTS: FastifySchema = {
  operationId: 'listEvents',
  tags: ['Reading'],
  summary: 'Stored events: all of them, or a page of those that match',
  description: `Without parameters: all events, oldest first. With any: a page of the events that match, in the order asked for; \`Link: rel=next\` is the address of the next page, also when the search ran out of time before the page was full. \`Event-Cursor\` says how far a page in the order \`stored\` has looked; the stream can continue from there. ${PAYLOAD_FILTERS} As NDJSON or CSV, without limit and cursor: all events that match.`,
  querystring: QUERY,
  response: answers.read(
    {
      200: answer('A JSON array; one event a line, or CSV, if `Accept` says so.', {
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

/** Stored events: all of them, or a page of those that match. */
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

  /** A store that does not reach a sequence it has given out was restored or emptied since. */
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

/** One of two ways to read, and what both have. */
type ListQuery = { limit: number; reached: number | undefined } & (
  | { asStored: EventQuery; byTime?: undefined }
  | { byTime: TimeQuery }
);

/** With its cursors as they are given out. */
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
  const cursor = text === undefined ? undefined : isByTime ? timeCursor(text, order) : parseCursor(text);
  if (text !== undefined && cursor === undefined) {
    reader.errors.push('cursor must be of the Link of an earlier answer with the same order');
  }
  reader.done();
  if (cursor !== undefined && cursor.storeId !== storeId) throw new ApiError('cursor_reset');
  const both = { limit, reached: cursor?.sequence };
  const direction = order.startsWith('-') || order === 'desc' ? 'desc' : 'asc';
  const query = isByTime
    ? { ...both, byTime: { ...filter, order: direction, cursor: cursor as TimePlace | undefined } }
    : { ...both, asStored: { ...filter, order: direction, cursor: cursor?.sequence } };
  return { query: query as ListQuery, isPage: given.limit !== undefined || given.cursor !== undefined };
}

function timeCursor(text: string, order: TimeOrder) {
  const parsed = parseTimeCursor(text, order);
  return parsed && { storeId: parsed.storeId, time: parsed.place.time, sequence: parsed.place.sequence };
}

/** The same address, going on behind this page. */
function nextAddress({ url }: FastifyRequest, cursor: string): string {
  const queryAt = url.indexOf('?');
  const parameters = url.slice(queryAt + 1).split('&');
  const others = parameters.filter((parameter) => !new URLSearchParams(parameter).has('cursor'));
  // As it was sent, but for what would end the address in the header.
  const kept = others.map((parameter) => parameter.replace(/[<>"]/g, encodeURIComponent));
  return `${url.slice(0, queryAt)}?${[...kept, `cursor=${cursor}`].join('&')}`;
}

async function sendList(reply: FastifyReply, format: ListFormat, pages: EventPages): Promise<FastifyReply> {
  const ahead = readAhead(pages);
  // The first page before the status line: what fails here is still answered with a 500.
  await ahead.first;
  return reply.send(Readable.from(format.write(ahead.pages), { highWaterMark: 1 }));
}

/** Reads the next page while one is sent. */
function readAhead(pages: EventPages): { first: Promise<unknown>; pages: EventPages } {
  const iterator = pages[Symbol.asyncIterator]();
  const read = () => {
    const page = iterator.next();
    // Whoever waits for it is told; a reader that has gone waits for nothing.
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
