import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest, FastifySchema } from 'fastify';
import Type from 'typebox';
import type { ApiKey, ApiKeys } from '../../access/api-keys.ts';
import { issueTicket } from '../../access/stream-tickets.ts';
import type { Clock } from '../../clock.ts';
import { ApiError } from '../../errors.ts';
import { createPredicate, type EventFilter, indexedFilter } from '../../query/event-query.ts';
import type { LiveTail, TailPosition } from '../../query/live-tail.ts';
import type { EventStore, StoredEvent } from '../../store/event-store.ts';
import { QueryReader, type QueryString } from '../openapi/query-reader.ts';
import { Cursor, FILTERS, PAYLOAD_FILTERS } from '../openapi/reading-schemas.ts';
import { answer, answers, json, ref } from '../openapi/schemas.ts';
import { parseCursor, readFilter, toCursor } from './event-filters.ts';
import { oneLine } from './list-formats.ts';

/** How long a reader that lost its connection waits before it comes back. */
const RETRY_MS = 1000;
/** What is written at a time. */
const CHUNK_BYTES = 32_000;

const QUERY = Type.Object({
  ...FILTERS,
  after: Type.Optional({
    ...Cursor,
    description: 'Begin behind this id or `Event-Cursor`; 0: with the first event.',
  }),
});
const STREAM_EVENTS: FastifySchema = {
  operationId: 'streamEvents',
  tags: ['Reading'],
  summary: 'Stored events as they come',
  description: `Server-sent events: \`data\` is an event, \`id\` its sequence. A reader that reconnects with \`Last-Event-ID\` misses no event and gets none twice. \`event: reset\` says that the store was in memory and is gone: all events follow again. ${PAYLOAD_FILTERS}`,
  querystring: QUERY,
  headers: Type.Object({ 'last-event-id': Type.Optional(Cursor) }),
  response: answers.read(
    { 200: answer('A stream without end.', { 'text/event-stream': Type.String() }) },
    'invalid_query',
    'store_unavailable',
  ),
};

const CREATE_TICKET: FastifySchema = {
  operationId: 'createStreamTicket',
  tags: ['Reading'],
  summary: 'A ticket that opens the stream instead of a key, for `EventSource`',
  description:
    'For a minute; the stream that it opened goes on until the key is gone or may not read any more. Every instance takes it.',
  response: answers.read({ 201: json('It goes into `ticket` of the stream.', ref('StreamTicket')) }),
};

/** Where a stream begins. */
interface Beginning {
  /** Undefined: with what is stored from now on. */
  after: number | undefined;
  /** True when the reader was somewhere that is gone, and what it has is to be forgotten. */
  isReset: boolean;
}

export interface StreamRoutesOptions {
  store: EventStore;
  liveTail: LiveTail;
  /** Most readers of the stream at the same time. */
  maxStreams: number;
  /** Most of them with the key of one caller. */
  maxStreamsPerCaller: number;
  apiKeys: ApiKeys | undefined;
  clock: Pick<Clock, 'date'>;
}

/** Stored events as they come: server-sent events. */
export async function streamRoutes(
  api: FastifyInstance,
  { store, liveTail, maxStreams, maxStreamsPerCaller, apiKeys, clock }: StreamRoutesOptions,
): Promise<void> {
  const endRevoked = new RevokedStreams(apiKeys);
  api.addHook('preClose', async () => liveTail.stop());
  const byCaller = new Readers(maxStreamsPerCaller);

  api.get<{ Querystring: QueryString }>(
    '/events/stream',
    // Of an answer without end there is no head alone.
    { schema: STREAM_EVENTS, config: { scope: 'read', takesTicket: true }, exposeHeadRoute: false },
    async (request, reply) => {
      const { filter, beginning } = readRequest(request, store.storeId);
      if (liveTail.readers >= maxStreams) throw new ApiError('overloaded');
      const { caller } = request;
      const leave = byCaller.join(caller?.name);
      // However it ends, and also before it has begun.
      reply.raw.once('close', liveTail.join()).once('close', leave);
      endRevoked.watch(caller, reply.raw);
      const { after } = beginning;
      const start = await liveTail.begin(after);
      const isReset = beginning.isReset || (after !== undefined && start.sequence < after);
      const frames = streamFrames({ liveTail, storeId: store.storeId, filter, start, isReset });
      return reply
        .type('text/event-stream; charset=utf-8')
        .header('Cache-Control', 'no-store')
        .header('X-Accel-Buffering', 'no')
        .send(Readable.from(frames, { highWaterMark: 1 }));
    },
  );

  api.post(
    '/events/stream/tickets',
    { schema: CREATE_TICKET, config: { scope: 'read' } },
    async ({ caller }, reply) => reply.code(201).send(issueTicket(caller, clock.date().getTime())),
  );
}

/** Ends streams whose key may no longer read, or is gone: their readers come back, and are turned away. */
class RevokedStreams {
  readonly #open = new Map<ServerResponse, ApiKey>();

  constructor(apiKeys: ApiKeys | undefined) {
    apiKeys?.onReload(() => {
      for (const [answer, key] of this.#open) if (!apiKeys.stillAllows(key, 'read')) answer.destroy();
    });
  }

  watch(key: ApiKey | undefined, answer: ServerResponse): void {
    if (key === undefined) return;
    this.#open.set(answer, key);
    answer.once('close', () => this.#open.delete(answer));
  }
}

/** @throws ApiError `invalid_query` */
function readRequest(
  { query, headers }: FastifyRequest<{ Querystring: QueryString }>,
  storeId: string,
): { filter: EventFilter; beginning: Beginning } {
  // What it is worth has been looked at before.
  const { ticket: _ticket, ...asked } = query;
  const reader = new QueryReader(asked, QUERY, { takesPayload: true });
  const filter = readFilter(reader);
  const after = reader.one('after');
  // A reader that comes back says by itself how far it was, whatever its address says.
  const lastId = (headers['last-event-id'] as string | undefined) || undefined;
  const text = lastId ?? after;
  const cursor = text === undefined ? undefined : parseCursor(text);
  if (lastId === undefined && text !== undefined && cursor === undefined) {
    reader.errors.push('after must be an id of this stream, or an Event-Cursor');
  }
  reader.done();
  // A browser that is refused never comes back: an id that is not of this store begins again from the first event.
  const isReset = text !== undefined && cursor?.storeId !== storeId;
  return { filter, beginning: { after: isReset ? 0 : cursor?.sequence, isReset } };
}

/** Tells a reader that what it knew of the sequences after this is no longer so. */
const RESET = 'event: reset\ndata: {}\n';

interface Stream {
  liveTail: LiveTail;
  storeId: string;
  filter: EventFilter;
  start: TailPosition;
  isReset: boolean;
}

/** How many streams each caller reads. */
class Readers {
  readonly #most: number;
  readonly #byCaller = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  /** @returns to be called when it has ended @throws ApiError `overloaded` */
  join(caller: string | undefined): () => void {
    if (caller === undefined) return () => {};
    const count = this.#byCaller.get(caller) ?? 0;
    if (count >= this.#most) throw new ApiError('overloaded');
    this.#byCaller.set(caller, count + 1);
    return () => {
      const left = this.#byCaller.get(caller)! - 1;
      if (left === 0) this.#byCaller.delete(caller);
      else this.#byCaller.set(caller, left);
    };
  }
}

/** Frames of a stream. Waits while its reader takes nothing, and holds no more than one chunk then. */
async function* streamFrames({ liveTail, storeId, filter, start, isReset }: Stream): AsyncGenerator<Buffer> {
  const matches = createPredicate(filter);
  const indexed = indexedFilter(filter);
  let at = start;
  yield Buffer.from(`retry: ${RETRY_MS}\n${isReset ? RESET : ''}id: ${toCursor(storeId, at.sequence)}\n\n`);
  while (!liveTail.stopped) {
    const { events, next, isReset: wentBack } = await liveTail.next(at, indexed);
    at = next;
    // Without data this is not an event, but the reader remembers how far it is and never looks at the rest again.
    const end = Buffer.from(`${wentBack ? RESET : ''}id: ${toCursor(storeId, at.sequence)}\n\n`);
    yield* inChunks([...events.filter(matches).map((event) => frameOf(event, storeId)), end]);
  }
}

/** What many readers are sent is written once, and is the same piece of memory for all of them. */
const writtenFrames = new WeakMap<StoredEvent, Buffer>();

function frameOf(event: StoredEvent, storeId: string): Buffer {
  const known = writtenFrames.get(event);
  if (known !== undefined) return known;
  const frame = Buffer.from(`id: ${toCursor(storeId, event.sequence)}\ndata: ${oneLine(event.json)}\n\n`);
  writtenFrames.set(event, frame);
  return frame;
}

/** Small frames together, large ones as they are. */
function* inChunks(frames: readonly Buffer[]): Generator<Buffer> {
  let small: Buffer[] = [];
  let bytes = 0;
  for (const frame of frames) {
    if (bytes + frame.length > CHUNK_BYTES) {
      if (small.length > 0) yield Buffer.concat(small);
      small = [];
      bytes = 0;
    }
    if (frame.length > CHUNK_BYTES) yield frame;
    else {
      small.push(frame);
      bytes += frame.length;
    }
  }
  if (small.length > 0) yield Buffer.concat(small);
}
