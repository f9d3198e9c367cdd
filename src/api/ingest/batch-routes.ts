import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify';
import Type from 'typebox';
import { ApiError } from '../../errors.ts';
import type { Catalog } from '../../events/catalog.ts';
import type { NewEvent } from '../../events/event.ts';
import {
  Batch,
  type BatchLimits,
  type BatchResult,
  type ReadEvent,
  readBatchEvent,
} from '../../ingest/batch.ts';
import type { RejectedEvents } from '../../ingest/rejected-events.ts';
import {
  type Element,
  type ElementFormat,
  type ElementsEnd,
  readElements,
} from '../../json/json-splitter.ts';
import { sharedTurn } from '../../loop-turns.ts';
import type { Metrics } from '../../observability/metrics.ts';
import { senderOf, whileHeld } from '../hooks/admit.ts';
import { errorName } from '../hooks/error-responses.ts';
import { ref } from '../openapi/schemas.ts';
import { ACK_QUERY, batchAnswers, bodies, EVENT_HEADERS } from '../openapi/sending-schemas.ts';
import { type Acknowledgement, acknowledge, readAcknowledgement } from './acknowledgement.ts';
import { countsContentOnce, readIdentity } from './event-identity.ts';
import type { AcceptOptions } from './event-routes.ts';

/** Memory of a batch while it is read: one element, plus a chunk being appended to the log. */
const BATCH_BYTES = 3_000_000;
/** Separators between events: commas, line breaks. */
const SEPARATORS_BYTES = 1_000_000;

/** Results in one chunk of a response. */
const ANSWER_SLICE = 500;

const FORMATS: Record<string, ElementFormat> = {
  'application/json': 'array',
  'application/x-ndjson': 'lines',
  'application/jsonl': 'lines',
  'application/ndjson': 'lines',
  // The type that `navigator.sendBeacon` sends.
  'text/plain': 'either',
};

const RECORD_EVENTS: FastifySchema = {
  operationId: 'recordEvents',
  tags: ['Events'],
  summary: 'Record many events',
  querystring: ACK_QUERY,
  headers: EVENT_HEADERS,
  description:
    'A JSON array, or one event per line, read as it arrives. An invalid event does not affect the others. Events with an eventId can safely be sent again any number of times.',
  body: bodies({
    'application/json': Type.Array(ref('BatchEvent'), { minItems: 1 }),
    'application/x-ndjson': Type.String({ description: 'One event a line.' }),
    'application/jsonl': Type.String({ description: 'One event a line.' }),
    'application/ndjson': Type.String({ description: 'One event a line.' }),
    'text/plain': Type.String({ description: 'Either of them, as `navigator.sendBeacon` sends it.' }),
  }),
  response: batchAnswers({
    201: 'All are durable.',
    202: 'All are durable, and not stored in the time that was waited.',
  }),
};

export interface BatchRoutesOptions extends AcceptOptions {
  catalog: Catalog;
  rejected: RejectedEvents;
  metrics: Pick<Metrics, 'eventsRejected' | 'eventTally'>;
  /** Of one event. */
  maxBodyBytes: number;
  batchLimits: BatchLimits;
}

/** Many events in one request, read and appended as they arrive. */
export async function batchRoutes(api: FastifyInstance, options: BatchRoutesOptions): Promise<void> {
  api.removeAllContentTypeParsers();
  api.addContentTypeParser(Object.keys(FORMATS), (_request, payload, done) => done(null, payload));
  api.post<{ Body: AsyncIterable<Buffer> | undefined }>(
    '/events/batch',
    { schema: RECORD_EVENTS, config: { reservesBytes: BATCH_BYTES, acceptsEvents: 'many', scope: 'write' } },
    async (request, reply) => {
      // Before accepting any event: invalid parameters must not be discovered afterwards.
      const acknowledgement = readAcknowledgement(request);
      if (!request.body) throw new ApiError('body_missing');
      const identify = readIdentity(request, { isMany: true });
      const isResent = countsContentOnce(request);
      const read = readBatchEvent(options.catalog, request.caller?.name);
      const results = await acceptElements(
        request.body,
        request,
        options,
        FORMATS[mediaTypeOf(request)]!,
        (element) => identify(read(element), element.text),
        { isResent },
      );
      // Log shippers require this. They look only at the status, and some drop whatever gets a 4xx.
      const statusOf = isResent ? plainStatus(503) : undefined;
      return reply.send(await batchAnswer(results, acknowledgement, reply, options, statusOf));
    },
  );
}

/**
 * Sets the status and headers of a response for many events.
 *
 * @returns its body; a large one is streamed, so that it is never in memory as a whole
 */
export async function batchAnswer(
  results: readonly BatchResult[],
  acknowledgement: Acknowledgement,
  reply: FastifyReply,
  { storedEvents, metrics }: Pick<BatchRoutesOptions, 'storedEvents' | 'metrics'>,
  statusOf: BatchStatus = batchStatus,
): Promise<object | Readable> {
  const accepted = results.filter(isAccepted);
  const refused = results.filter((result) => result instanceof ApiError);
  for (const { code } of refused) metrics.eventsRejected.inc({ code });
  const duplicates = accepted.filter(({ duplicate }) => duplicate).length;
  const { caller } = reply.request;
  metrics.eventTally.sent(caller?.name, 'rejected', refused.length);
  metrics.eventTally.sent(caller?.name, 'duplicate', duplicates);
  metrics.eventTally.sent(caller?.name, 'accepted', accepted.length - duplicates);
  const taken = await acknowledge(acknowledgement, accepted, storedEvents, reply);
  const worthRetrying = refused.find(({ retryable }) => retryable);
  if (worthRetrying) reply.header('Retry-After', String(worthRetrying.retryAfterS));
  const status = statusOf(accepted.length, refused, taken);
  const name = status >= 400 ? setError(reply, worthRetrying ?? refused[0]!) : {};
  reply.code(status);
  const counts = { accepted: accepted.length, rejected: refused.length };
  const head = { success: refused.length === 0, ...counts, ...name };
  if (results.length <= ANSWER_SLICE) return { ...head, results: results.map(describeResult) };
  reply.type('application/json; charset=utf-8');
  return Readable.from(answerSlices(head, results), { highWaterMark: 1 });
}

/** The same response as text, a few hundred results at a time. */
function* answerSlices(head: object, results: readonly BatchResult[]): Generator<string> {
  yield `${JSON.stringify(head).slice(0, -1)},"results":[`;
  for (let from = 0; from < results.length; from += ANSWER_SLICE) {
    const slice = results.slice(from, from + ANSWER_SLICE);
    const texts = slice.map((result, at) => JSON.stringify(describeResult(result, from + at)));
    yield `${from === 0 ? '' : ','}${texts.join(',')}`;
  }
  yield ']}';
}

/**
 * @param isResent whether the client resends the whole batch unless all of it is accepted
 * @throws ApiError when the body contains nothing to answer individually
 */
export async function acceptElements(
  body: AsyncIterable<Buffer> | Iterable<Buffer>,
  request: FastifyRequest,
  { producer, turns, rateLimits, rejected, maxBodyBytes, batchLimits: limits }: BatchRoutesOptions,
  format: ElementFormat,
  read: ReadEvent,
  { isResent = false } = {},
): Promise<BatchResult[]> {
  const { caller } = request;
  const checkRateLimit = async (events: readonly NewEvent[]) => {
    if (!rateLimits.applyTo(caller)) return;
    // The events before are kept: a batch above the limit could otherwise never arrive completely.
    const fresh = isResent ? await producer.countNew(events) : events.length;
    if (fresh > 0) rateLimits.take(caller, fresh);
  };
  const hold = (bytes: number) => request.hold?.grow(bytes);
  const mayRefuse = (elements: number) => rateLimits.countRefused(senderOf(request), elements);
  const accept = (events: readonly NewEvent[], bytes: number) =>
    turns.take(senderOf(request), bytes, () => producer.acceptAll(events, request.span?.traceparent));
  const onRejected = (error: ApiError, body: Buffer | string | undefined) =>
    rejected.add(error, { caller: caller?.name, path: request.routeOptions.url!, body });
  const batch = new Batch({ accept, read, limits, checkRateLimit, mayRefuse, onRejected, hold });
  const elements = readElements(chunksInTurn(body, limits.bytes), format, maxBodyBytes);
  try {
    await whileHeld(request, () => addAll(batch, elements));
  } finally {
    // The rest of an abandoned body is discarded, so that its sender can finish sending.
    await elements.return('incomplete');
  }
  return batch.results;
}

async function addAll(batch: Batch, elements: AsyncGenerator<Iterable<Element>, ElementsEnd>): Promise<void> {
  for (;;) {
    const next = await nextElement(elements);
    if (next instanceof ApiError) return finish(batch, next);
    if (next.done) return finish(batch, END_ERRORS[next.value]);
    for (const element of next.value) {
      if (!batch.add(element)) return finish(batch, undefined);
      if (batch.isFull) await batch.flush();
    }
  }
}

/** The next elements, or why reading stopped: inflated to too much, or invalid compression. */
async function nextElement(
  elements: AsyncGenerator<Iterable<Element>, ElementsEnd>,
): Promise<IteratorResult<Iterable<Element>, ElementsEnd> | ApiError> {
  try {
    return await elements.next();
  } catch (error) {
    return error instanceof ApiError ? error : new ApiError('bad_request', { cause: error });
  }
}

/** How an incomplete body may end. */
const END_ERRORS: Record<ElementsEnd, ApiError | undefined> = {
  complete: undefined,
  'not-array': new ApiError('body_not_array'),
  incomplete: new ApiError('body_incomplete'),
};

/**
 * The chunks of all batches, one per turn of the event loop. The inflated size counts too: whitespace between events
 * costs as much to read as events do.
 *
 * @throws ApiError `batch_too_large` after the chunk that exceeds the limit
 */
export async function* chunksInTurn(
  chunks: AsyncIterable<Buffer> | Iterable<Buffer>,
  maxBytes: number,
): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    await sharedTurn();
    yield chunk;
    if (bytes > maxBytes + SEPARATORS_BYTES) throw new ApiError('batch_too_large');
  }
}

/** @param failure of the body as a whole; the elements before it are accepted all the same */
async function finish(batch: Batch, failure: ApiError | undefined): Promise<void> {
  await batch.flush();
  if (batch.results.length === 0) throw failure ?? new ApiError('batch_empty');
  if (failure) batch.fail(failure);
}

/** The content type without its parameters; empty if there is none. */
export function mediaTypeOf({ headers }: FastifyRequest): string {
  return (headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
}

function isAccepted(result: BatchResult): result is Exclude<BatchResult, ApiError> {
  return !(result instanceof ApiError);
}

/** @returns additional members of the body */
function setError(reply: FastifyReply, error: ApiError): object {
  reply.header('Error-Code', error.code).header('Error-Retryable', String(error.retryable));
  return errorName(reply, error);
}

/** The status of a response for many events. */
type BatchStatus = (accepted: number, refused: readonly ApiError[], taken: 201 | 202) => number;

/**
 * For clients that look only at the status and whose events have ids: a retryable failure makes the whole batch worth
 * resending, and a permanent rejection must be visible.
 *
 * @param limited the status for rate limiting: some clients take any 4xx for a permanent rejection
 */
export function plainStatus(limited: 429 | 503): BatchStatus {
  return (_accepted, refused, taken) => {
    if (refused.length === 0) return taken;
    const status = refused.find(({ retryable }) => retryable)?.status ?? 400;
    return status === 429 ? limited : status;
  };
}

/** All accepted; some; or none, and then by cause: if the log is down, the same batch is worth resending. */
function batchStatus(accepted: number, refused: readonly ApiError[], taken: 201 | 202): number {
  if (refused.length === 0) return taken;
  if (accepted > 0) return 207;
  return refused.find(({ retryable }) => retryable)?.status ?? 400;
}

/** One entry of `results`; an ApiError is described as it would be answered on its own. */
function describeResult(result: BatchResult, index: number): object {
  if (!(result instanceof ApiError)) {
    const { eventId, receipt, duplicate, warnings } = result;
    return {
      index,
      status: 201,
      eventId,
      partition: receipt.partition,
      offset: String(receipt.offset),
      duplicate,
      warnings,
    };
  }
  const { status, code, retryable, details, message } = result;
  return { index, status, code, retryable, errors: details ?? [message] };
}
