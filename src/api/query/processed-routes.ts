import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify';
import Type from 'typebox';
import { ApiError } from '../../errors.ts';
import { type EventQuery, readAll, readPage, search } from '../../query/event-query.ts';
import type { EventStore } from '../../store/event-store.ts';
import { addVary } from '../hooks/access.ts';
import { QueryReader, type QueryString } from '../openapi/query-reader.ts';
import { Cursor, count, FILTERS, PAYLOAD_FILTERS, PERIOD } from '../openapi/reading-schemas.ts';
import { answer, answers, ref } from '../openapi/schemas.ts';
import { parseCursor, readFilter, toCursor } from './event-filters.ts';
import { type EventPages, formatFor, type ListFormat } from './list-formats.ts';

/** What a list takes while it is sent: a page as events and as text, and the next one. */
const LIST_BYTES = 3_000_000;
const PAGE_LIMITS = { least: 1, most: 1000, fallback: 100 };
/** After this a search for a page answers with what it has, and where to go on. */
const PATIENCE_MS = 2000;
const ORDERS = ['asc', 'desc'] as const;

const QUERY = Type.Object({
  ...FILTERS,
  ...PERIOD,
  order: Type.Optional(Type.Enum([...ORDERS])),
  limit: count(PAGE_LIMITS),
  cursor: Type.Optional({ ...Cursor, description: 'From the `Link` of an earlier answer.' }),
});
const LIST_EVENTS: FastifySchema = {
  operationId: 'listEvents',
  tags: ['Reading'],
  summary: 'Stored events: all of them, or a page of those that match',
  description: `Without parameters: all events, oldest first. With any: a page of the events that match, in the order they were stored; \`Link: rel=next\` is the address of the next page, also when the search ran out of time before the page was full. \`Event-Cursor\` says how far an ascending page has looked; the stream can continue from there. ${PAYLOAD_FILTERS} As NDJSON or CSV, without limit and cursor: all events that match.`,
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
      if (query.cursor !== undefined) await checkReached(query.cursor);
      if (format.mediaType !== 'application/json' && !isPage) {
        return sendList(reply, format, eventsOf(search(store, query)));
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
    query: EventQuery & { limit: number },
  ): Promise<FastifyReply> {
    const { events, next, scannedUpTo } = await readPage(store, query, {
      limit: query.limit,
      patienceMs: PATIENCE_MS,
    });
    if (query.order === 'asc') reply.header('Event-Cursor', toCursor(store.storeId, scannedUpTo));
    if (next !== undefined)
      reply.header('Link', `<${nextAddress(request, toCursor(store.storeId, next))}>; rel="next"`);
    return reply.send((await Array.fromAsync(format.write(onePage(events)))).join(''));
  }
}

/** @throws ApiError `invalid_query` */
function readQuery({ query: given }: FastifyRequest<{ Querystring: QueryString }>, storeId: string) {
  const reader = new QueryReader(given, QUERY, { takesPayload: true });
  const filter = readFilter(reader);
  const order = reader.choice('order');
  const limit = reader.integer('limit');
  const text = reader.one('cursor');
  const cursor = text === undefined ? undefined : parseCursor(text);
  if (text !== undefined && cursor === undefined) {
    reader.errors.push('cursor must be of the Link of an earlier answer');
  }
  reader.done();
  if (cursor !== undefined && cursor.storeId !== storeId) throw new ApiError('cursor_reset');
  const query = { ...filter, order, limit, cursor: cursor?.sequence };
  return { query, isPage: given.limit !== undefined || given.cursor !== undefined };
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

async function* eventsOf(steps: ReturnType<typeof search>): EventPages {
  for await (const { events } of steps) yield events;
}

async function* onePage(events: Awaited<ReturnType<typeof readPage>>['events']): EventPages {
  yield events;
}
