import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Batch, type BatchResult, type ReadEvent, readBatchEvent } from '../batch.ts';
import { FootfallError } from '../errors.ts';
import { acknowledge, readAcknowledgement } from './acknowledgement.ts';
import { type ElementFormat, type ElementsEnd, readElements } from './json-elements.ts';
import type { ApiOptions } from './server.ts';

/** What a batch holds while it is read: one element, and a chunk on its way into the log. */
const BATCH_BYTES = 3_000_000;
const JSON_TYPE = 'application/json; charset=utf-8';

const FORMATS: Record<string, ElementFormat> = {
  'application/json': 'array',
  'application/x-ndjson': 'lines',
  'application/jsonl': 'lines',
  // What `navigator.sendBeacon` sends.
  'text/plain': 'either',
};

/** Many events in one request, read and appended as they arrive. */
export async function batchRoutes(api: FastifyInstance, options: ApiOptions): Promise<void> {
  const { storedEvents, catalogue } = options;
  api.removeAllContentTypeParsers();
  api.addContentTypeParser(Object.keys(FORMATS), (_request, payload, done) => done(null, payload));
  api.post(
    '/events/batch',
    { config: { holdsBytes: BATCH_BYTES, takesEvents: true, scope: 'write' } },
    async (request, reply) => {
      const acknowledgement = readAcknowledgement(request);
      const results = await acceptElements(request, options, formatOf(request), readBatchEvent(catalogue));
      const accepted = results.filter(isAccepted);
      countRejected(results, options.metrics);
      const status = batchStatus(results, await acknowledge(acknowledgement, accepted, storedEvents, reply));
      const failure = results.find((result) => result instanceof FootfallError);
      if (failure?.retryable) reply.header('Retry-After', String(failure.retryAfterS));
      return reply
        .code(status)
        .type(JSON_TYPE)
        .send({
          success: accepted.length === results.length,
          accepted: accepted.length,
          rejected: results.length - accepted.length,
          results: results.map(describeResult),
        });
    },
  );
}

function countRejected(results: readonly BatchResult[], { eventsRejected }: ApiOptions['metrics']): void {
  for (const result of results) if (!isAccepted(result)) eventsRejected.inc({ code: result.code });
}

/** @throws FootfallError when there is nothing in the body to answer for one by one */
export async function acceptElements(
  { body, caller }: FastifyRequest,
  { producer, rateLimits, maxBodyBytes, batchLimits }: ApiOptions,
  format: ElementFormat,
  read: ReadEvent,
): Promise<BatchResult[]> {
  if (body === undefined || body === null) throw new FootfallError('body_missing');
  const batch = new Batch({
    ...{ producer, read, limits: batchLimits },
    mayTake: async (events) => {
      await rateLimits.take(caller, events);
    },
  });
  const elements = readElements(body as AsyncIterable<Buffer>, format, maxBodyBytes);
  let next = await elements.next();
  for (; !next.done; next = await elements.next()) {
    // What is not taken is read to its end all the same: else the answer would not reach its client.
    if (!(await batch.add(next.value))) return finish(batch, await drain(elements));
  }
  return finish(batch, next.value);
}

async function drain(elements: AsyncGenerator<unknown, ElementsEnd>): Promise<ElementsEnd> {
  for (;;) if ((await elements.next()).done) return 'complete';
}

async function finish(batch: Batch, end: ElementsEnd): Promise<BatchResult[]> {
  await batch.flush();
  const failure =
    end === 'not-array' ? 'body_not_array' : end === 'incomplete' ? 'body_incomplete' : undefined;
  if (batch.results.length === 0) throw new FootfallError(failure ?? 'batch_empty');
  if (failure) batch.fail(new FootfallError(failure));
  return batch.results;
}

function formatOf({ headers }: FastifyRequest): ElementFormat {
  return FORMATS[headers['content-type']!.split(';', 1)[0]!.trim().toLowerCase()]!;
}

export function isAccepted(result: BatchResult): result is Exclude<BatchResult, FootfallError> {
  return !(result instanceof FootfallError);
}

/** All taken; some; or none, and then whose fault that is: with the log away, the same batch is worth sending again. */
export function batchStatus(results: readonly BatchResult[], taken: 201 | 202): number {
  const errors = results.filter((result) => result instanceof FootfallError);
  if (errors.length === 0) return taken;
  if (errors.length < results.length) return 207;
  return errors.find(({ retryable }) => retryable)?.status ?? 400;
}

/** One entry of `results`; a FootfallError is described as it would be answered on its own. */
export function describeResult(result: BatchResult, index: number): object {
  if (!(result instanceof FootfallError)) {
    const { eventId, receipt, repeated, warnings } = result;
    return {
      index,
      status: 201,
      eventId,
      partition: receipt.partition,
      offset: String(receipt.offset),
      repeated,
      warnings,
    };
  }
  const { status, code, retryable, details, message } = result;
  return { index, status, code, retryable, errors: details ?? [message] };
}
