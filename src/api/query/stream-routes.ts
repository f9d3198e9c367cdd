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
import { placeOf } from '../../query/shared-reads.ts';
import type { EventStore, StoredEvent } from '../../store/event-store.ts';
import { QueryReader, type QueryString } from '../openapi/query-reader.ts';
import { FILTERS, PAYLOAD_FILTERS } from '../openapi/reading-schemas.ts';
import { answer, answers, json, ref } from '../openapi/schemas.ts';
import { readFilter } from './event-filters.ts';
import { oneLine } from './list-formats.ts';
import { isUnchanged, parseStreamId, type StreamId, toStreamId } from './stream-ids.ts';

/** How long a reader waits before it reconnects. */
const RETRY_MS = 1000;
/** The size of one write. */
const CHUNK_BYTES = 32_000;

const StreamIdText = Type.String({ pattern: '^(m[0-9a-f]{8}-)?\\d{1,15}(\\.[0-9a-f]{8})?$' });

const QUERY = Type.Object({
  ...FILTERS,
  after: Type.Optional({
    ...StreamIdText,
    description: 'Start after this id or `Event-Cursor`; 0: with the first event.',
  }),
});
const STREAM_EVENTS: FastifySchema = {
  operationId: 'streamEvents',
  tags: ['Reading'],
  summary: 'Stored events, live',
  description: `Server-sent events: \`data\` is an event, \`id\` its place. A reader that reconnects with \`Last-Event-ID\` misses no event and gets none twice. \`event: reset\` says that the store has other events than the reader was sent, because it was restored, or was in memory and is gone: the reader should forget what it has. ${PAYLOAD_FILTERS}`,
  querystring: QUERY,
  headers: Type.Object({ 'last-event-id': Type.Optional(Type.String()) }),
  response: answers.read(
    { 200: answer('A stream that does not end.', { 'text/event-stream': Type.String() }) },
    'invalid_query',
    'store_unavailable',
  ),
};

const CREATE_TICKET: FastifySchema = {
  operationId: 'createStreamTicket',
  tags: ['Reading'],
  summary: 'A ticket that opens the stream in place of a key, for `EventSource`',
  description:
    'Valid for one minute on every instance. A stream it opened stays open until the key is removed or may no longer read.',
  response: answers.read({ 201: json('Goes into `ticket` of the stream.', ref('StreamTicket')) }),
};

/** Where a stream starts. */
interface Beginning {
  start: TailPosition;
  /** The events the reader has are no longer those of this store, and it should forget them. */
  isReset: boolean;
}

export interface StreamRoutesOptions {
  store: EventStore;
  liveTail: LiveTail;
  /** The most readers at a time. */
  maxStreams: number;
  /** The most readers of one caller. */
  maxStreamsPerCaller: number;
  apiKeys: ApiKeys | undefined;
  clock: Pick<Clock, 'date'>;
}

/** Stored events, live, as server-sent events. */
export async function streamRoutes(
  api: FastifyInstance,
  { store, liveTail, maxStreams, maxStreamsPerCaller, apiKeys, clock }: StreamRoutesOptions,
): Promise<void> {
  const endRevoked = new RevokedStreams(apiKeys);
  api.addHook('preClose', async () => liveTail.stop());
  const byCaller = new Readers(maxStreamsPerCaller);

  api.get<{ Querystring: QueryString }>(
    '/events/stream',
    // A response that never ends has no HEAD.
    { schema: STREAM_EVENTS, config: { scope: 'read', takesTicket: true }, exposeHeadRoute: false },
    async (request, reply) => {
      const { filter, after } = readRequest(request);
      if (liveTail.readers >= maxStreams) throw new ApiError('overloaded');
      const { caller } = request;
      const leave = byCaller.join(caller?.name);
      // However the response ends, even before it has started.
      reply.raw.once('close', liveTail.join()).once('close', leave);
      endRevoked.watch(caller, reply.raw);
      const beginning = await begin(liveTail, store.storeId, after);
      const frames = streamFrames({ ...beginning, liveTail, storeId: store.storeId, filter });
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

/** Ends streams whose key was removed or may no longer read: their readers reconnect and are refused. */
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

/**
 * @returns `after`: undefined for what is stored from now on, `unknown` for a text that is not an id of a stream
 * @throws ApiError `invalid_query`
 */
function readRequest({ query, headers }: FastifyRequest<{ Querystring: QueryString }>): {
  filter: EventFilter;
  after: StreamId | 'unknown' | undefined;
} {
  // Checked before the handler runs.
  const { ticket: _ticket, ...asked } = query;
  const reader = new QueryReader(asked, QUERY, { takesPayload: true });
  const filter = readFilter(reader);
  const after = reader.one('after');
  // `EventSource` reconnects with the same URL and says in this header how far it was.
  const lastId = (headers['last-event-id'] as string | undefined) || undefined;
  const text = lastId ?? after;
  const id = text === undefined ? undefined : (parseStreamId(text) ?? 'unknown');
  if (lastId === undefined && id === 'unknown') {
    reader.errors.push('after must be an id of this stream, or an Event-Cursor');
  }
  reader.done();
  return { filter, after: id };
}

/** `EventSource` never retries after an error, so a reader whose id is not of this store is sent everything instead. */
async function begin(
  liveTail: LiveTail,
  storeId: string,
  after: StreamId | 'unknown' | undefined,
): Promise<Beginning> {
  if (after === undefined) return { start: await liveTail.begin(), isReset: false };
  if (after !== 'unknown' && after.storeId === storeId) {
    const start = await liveTail.begin(after.sequence);
    if (start.sequence < after.sequence) return { start, isReset: true };
    if (isUnchanged(after, start.last)) return { start, isReset: false };
  }
  return { start: await liveTail.begin(0), isReset: true };
}

/** Tells a reader that its events after this place are no longer those of the store. */
const RESET = 'event: reset\ndata: {}\n';

interface Stream extends Beginning {
  liveTail: LiveTail;
  storeId: string;
  filter: EventFilter;
}

/** Counts the streams of each caller. */
class Readers {
  readonly #most: number;
  readonly #byCaller = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  /** @returns a function to call when the stream has ended @throws ApiError `overloaded` */
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

/** The frames of a stream. Waits while the reader takes nothing, and holds at most one chunk then. */
async function* streamFrames({ liveTail, storeId, filter, start, isReset }: Stream): AsyncGenerator<Buffer> {
  const matches = createPredicate(filter);
  const indexed = indexedFilter(filter);
  let at = start;
  yield Buffer.from(`retry: ${RETRY_MS}\n${isReset ? RESET : ''}id: ${toStreamId(storeId, at)}\n\n`);
  while (!liveTail.stopped) {
    const { events, next, isReset: wentBack } = await liveTail.next(at, indexed);
    at = next;
    // A frame without data is not an event, but the reader remembers its id and skips what did not match.
    const end = Buffer.from(`${wentBack ? RESET : ''}id: ${toStreamId(storeId, at)}\n\n`);
    yield* inChunks([...events.filter(matches).map((event) => frameOf(event, storeId)), end]);
  }
}

/** A frame for many readers is built once and shared. */
const writtenFrames = new WeakMap<StoredEvent, Buffer>();

function frameOf(event: StoredEvent, storeId: string): Buffer {
  const known = writtenFrames.get(event);
  if (known !== undefined) return known;
  const frame = Buffer.from(`id: ${toStreamId(storeId, placeOf(event))}\ndata: ${oneLine(event.json)}\n\n`);
  writtenFrames.set(event, frame);
  return frame;
}

/** Joins small frames; large ones stay as they are. */
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
