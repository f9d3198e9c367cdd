import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { FootfallError } from '../../errors.ts';
import { type EventQuery, readAll, readPage, search } from '../../query/event-query.ts';
import type { EventStore } from '../../store/event-store.ts';
import { addVary } from '../hooks/access.ts';
import {
  FILTER_NAMES,
  parseCursor,
  QueryReader,
  type QueryString,
  readFilter,
  toCursor,
} from './event-filters.ts';
import { type EventPages, formatFor, type ListFormat } from './list-formats.ts';

/** What a list takes while it is sent: a page as events and as text, and the next one. */
const LIST_BYTES = 3_000_000;
export const PAGE_LIMITS = { least: 1, most: 1000, fallback: 100 };
/** After this a search for a page answers with what it has, and where to go on. */
const PATIENCE_MS = 2000;
export const ORDERS = ['asc', 'desc'] as const;
const PARAMETERS = [...FILTER_NAMES, 'order', 'limit', 'cursor'];

export interface ProcessedRoutesOptions {
  store: EventStore;
}

/** Stored events: all of them, those that are meant, or a page of those. */
export async function processedRoutes(
  api: FastifyInstance,
  { store }: ProcessedRoutesOptions,
): Promise<void> {
  api.get<{ Querystring: QueryString }>(
    '/events/processed',
    { config: { holdsBytes: LIST_BYTES, scope: 'read' } },
    async (request, reply) => {
      const format = formatFor(request.headers.accept);
      addVary(reply.type(format.contentType), 'Accept');
      if (Object.keys(request.query).length === 0) return sendList(reply, format, readAll(store));
      const { query, isPage } = readQuery(request, store.generation);
      if (query.cursor !== undefined) await checkReached(query.cursor);
      if (format.mediaType !== 'application/json' && !isPage) {
        return sendList(reply, format, eventsOf(search(store, query)));
      }
      return sendPage(request, reply, format, query);
    },
  );

  /** A store that does not reach a place it has given out was restored or emptied since. */
  async function checkReached(place: number): Promise<void> {
    const { newest, settled } = await store.extent();
    if (place > Math.max(newest, settled)) throw new FootfallError('cursor_reset');
  }

  async function sendPage(
    request: FastifyRequest<{ Querystring: QueryString }>,
    reply: FastifyReply,
    format: ListFormat,
    query: EventQuery & { limit: number },
  ): Promise<FastifyReply> {
    const { events, next, reached } = await readPage(store, query, {
      limit: query.limit,
      patienceMs: PATIENCE_MS,
    });
    if (query.order === 'asc') reply.header('Event-Cursor', toCursor(store.generation, reached));
    if (next !== undefined)
      reply.header('Link', `<${nextAddress(request, toCursor(store.generation, next))}>; rel="next"`);
    return reply.send((await Array.fromAsync(format.write(onePage(events)))).join(''));
  }
}

/** @throws FootfallError `invalid_query` */
function readQuery({ query: given }: FastifyRequest<{ Querystring: QueryString }>, generation: string) {
  const reader = new QueryReader(given, PARAMETERS, { takesPayload: true });
  const filter = readFilter(reader);
  const order = reader.choice('order', ORDERS);
  const limit = reader.integer('limit', PAGE_LIMITS);
  const text = reader.one('cursor');
  const cursor = text === undefined ? undefined : parseCursor(text);
  if (text !== undefined && cursor === undefined) {
    reader.errors.push('cursor must be of the Link of an earlier answer');
  }
  if (reader.errors.length > 0) throw new FootfallError('invalid_query', { details: reader.errors });
  if (cursor !== undefined && cursor.generation !== generation) throw new FootfallError('cursor_reset');
  const query = { ...filter, order, limit, ...(cursor && { cursor: cursor.place }) };
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
