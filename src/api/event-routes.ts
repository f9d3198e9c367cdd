import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { FootfallError } from '../errors.ts';
import { derivedUuid, eventKey, MAX_ID_LENGTH, type NewEvent, readNewEvent } from '../event.ts';
import { parseJsonBody } from '../json-body.ts';
import type { Accepted } from '../producer.ts';
import type { RateLimitState } from '../rate-limits.ts';
import { acknowledge, readAcknowledgement } from './acknowledgement.ts';
import type { ApiOptions } from './server.ts';

/** What one event takes at most, and what is known of it. */
const EVENT_BYTES = 1_000_000;
const JSON_TYPE = 'application/json; charset=utf-8';
/** Paths beside events, which answer other methods than this one. */
const OWN_PATHS = ['generate', 'batch', 'stream'];
/** As many as fit a header, whatever they say. */
const MAX_WARNINGS = 3;

/** Events in and out. Bodies are put together as text: an event is already JSON, and is not parsed to be sent. */
export async function eventRoutes(api: FastifyInstance, options: ApiOptions): Promise<void> {
  const { producer, store, deadLetters, catalogue, maxBodyBytes } = options;
  api.post<{ Body: Buffer | undefined }>(
    '/events/generate',
    { config: { holdsBytes: maxBodyBytes, takesEvents: true, scope: 'write' } },
    async (request, reply) => {
      const event = readNewEvent(parseJsonBody(request.body), catalogue, { takesTimestamp: false });
      const { json } = await acceptOne(withIdempotencyKey(event, request), request, reply, options);
      return reply.type(JSON_TYPE).send(`{"success":true,"event":${json}}`);
    },
  );

  api.get<{ Params: { eventId: string } }>(
    '/events/:eventId',
    { config: { holdsBytes: EVENT_BYTES, scope: 'read' } },
    async ({ params: { eventId } }, reply) => {
      if (OWN_PATHS.includes(eventId)) return reply.callNotFound();
      const key = eventKey(eventId);
      const stored = (await store.get([key])).get(key);
      if (stored) {
        const { json, partition, offset, ...known } = stored;
        const facts = {
          state: 'stored',
          partition,
          offset: offset === null ? null : String(offset),
          ...known,
        };
        return reply.type(JSON_TYPE).send(withEvent(facts, json));
      }
      const recent = producer.recent(key);
      const [deadLetter] = await deadLetters.list({ key, limit: 1 });
      if (deadLetter) {
        const { id, partition, offset, reason, detail } = deadLetter;
        const facts = { state: 'dead-lettered', partition, offset: String(offset), deadLetterId: String(id) };
        return reply.type(JSON_TYPE).send(withEvent({ ...facts, reason, detail }, recent?.json ?? 'null'));
      }
      if (recent === undefined) throw new FootfallError('event_not_found');
      const { partition, offset } = recent.receipt;
      const facts = { state: 'pending', partition, offset: String(offset) };
      return reply.type(JSON_TYPE).send(withEvent(facts, recent.json));
    },
  );

  api.get('/event-types', { config: { scope: 'read' } }, async () => ({
    eventTypes: catalogue.describe(),
    takesOthers: catalogue.takesUnknown,
  }));
}

/** Takes one event in, and sets the status and headers of its answer. */
export async function acceptOne(
  event: NewEvent,
  request: FastifyRequest,
  reply: FastifyReply,
  { producer, rateLimits, storedEvents }: ApiOptions,
): Promise<Accepted> {
  const acknowledgement = readAcknowledgement(request);
  if (rateLimits.applyTo(request.caller)) showLimit(reply, await rateLimits.take(request.caller, 1));
  const accepted = await producer.accept(event);
  const waits = acknowledgement.ack === 'stored';
  reply.code(waits ? await acknowledge(acknowledgement, [accepted], storedEvents, reply) : 201);
  setReceipt(reply, accepted);
  return accepted;
}

/** An eventId says more than a key. @throws FootfallError `invalid_event` for a key that cannot be meant */
function withIdempotencyKey(event: NewEvent, { headers, caller }: FastifyRequest): NewEvent {
  const key = headers['idempotency-key'];
  if (key === undefined) return event;
  if (typeof key !== 'string' || key === '' || key.length > MAX_ID_LENGTH) {
    const problem = `Idempotency-Key must be 1 to ${MAX_ID_LENGTH} characters long`;
    throw new FootfallError('invalid_event', { details: [problem] });
  }
  return { ...event, eventId: event.eventId ?? derivedUuid('idempotency-key', caller?.name ?? '', key) };
}

/** The limit that applies, as in the IETF's draft of `RateLimit` headers. */
function showLimit(reply: FastifyReply, state: RateLimitState | undefined): void {
  if (state === undefined) return;
  reply
    .header('RateLimit-Limit', String(state.limit))
    .header('RateLimit-Remaining', String(state.remaining))
    .header('RateLimit-Reset', String(state.resetS));
}

function setReceipt(reply: FastifyReply, { eventId, receipt, repeated, warnings }: Accepted): void {
  reply
    .header('Location', `/events/${encodeURIComponent(eventId)}`)
    .header('Event-Topic', receipt.topic)
    .header('Event-Partition', String(receipt.partition))
    .header('Event-Offset', String(receipt.offset));
  if (repeated) reply.header('Event-Repeated', repeated);
  if (warnings) reply.header('Event-Warnings', encodeURI(warnings.slice(0, MAX_WARNINGS).join('; ')));
}

/** What is known of an event, and the event as it is in the store. */
function withEvent(facts: object, json: string): string {
  return `${JSON.stringify(facts).slice(0, -1)},"event":${json}}`;
}
