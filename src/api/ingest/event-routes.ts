import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify';
import type { RateLimitState, RateLimits } from '../../access/rate-limits.ts';
import type { Turns } from '../../access/turns.ts';
import type { Catalog } from '../../events/catalog.ts';
import { type NewEvent, readNewEvent } from '../../events/event.ts';
import type { Accepted, Producer } from '../../ingest/producer.ts';
import { eventText } from '../../ingest/rejected-events.ts';
import type { StoredEvents } from '../../ingest/stored-event-waiter.ts';
import { parseJsonBody } from '../../json/json-body.ts';
import type { Metrics } from '../../observability/metrics.ts';
import { senderOf, whileHeld } from '../hooks/admit.ts';
import { answers, json, ref } from '../openapi/schemas.ts';
import { ACK_QUERY, bodies, EVENT_HEADERS } from '../openapi/sending-schemas.ts';
import { eventAddress } from '../query/event-state-routes.ts';
import { acknowledge, readAcknowledgement } from './acknowledgement.ts';
import { readIdentity } from './event-identity.ts';

const JSON_TYPE = 'application/json; charset=utf-8';
/** As many warnings as fit a header, whatever their length. */
const MAX_WARNINGS = 3;

const RECORD_EVENT: FastifySchema = {
  operationId: 'recordEvent',
  tags: ['Events'],
  summary: 'Record one event',
  querystring: ACK_QUERY,
  headers: EVENT_HEADERS,
  description: 'Answers once the event is durable. Where it is in the log is in `Event-` headers.',
  body: bodies({ 'application/json': ref('NewEvent') }),
  response: answers.sendEvents({
    201: json('Durable; with `ack=stored`: it can be queried.', ref('Accepted')),
    202: json('Durable, and not stored in the time that was waited.', ref('Accepted')),
  }),
};

const LIST_EVENT_TYPES: FastifySchema = {
  operationId: 'listEventTypes',
  tags: ['Events'],
  summary: 'The event catalog',
  response: answers.read({ 200: json('Every type with its schemas.', ref('EventTypes')) }),
};

/** What it takes to accept events. */
export interface AcceptOptions {
  producer: Producer;
  turns: Turns;
  rateLimits: RateLimits;
  storedEvents: StoredEvents;
  metrics: Pick<Metrics, 'eventTally'>;
}

export interface EventRoutesOptions extends AcceptOptions {
  catalog: Catalog;
  maxBodyBytes: number;
}

/** Single events. Responses are assembled as text: an event is already JSON, and is not parsed to be sent. */
export async function eventRoutes(api: FastifyInstance, options: EventRoutesOptions): Promise<void> {
  const { catalog, maxBodyBytes } = options;
  api.post<{ Body: Buffer | undefined }>(
    '/events/generate',
    { schema: RECORD_EVENT, config: { reservesBytes: maxBodyBytes, acceptsEvents: 'one', scope: 'write' } },
    async (request, reply) => {
      const { json } = await acceptOne(() => readOne(request, catalog), request, reply, options);
      return reply.type(JSON_TYPE).send(`{"success":true,"event":${json}}`);
    },
  );

  api.get('/event-types', { schema: LIST_EVENT_TYPES, config: { scope: 'read' } }, async () => ({
    eventTypes: catalog.describe(),
    allowsOtherTypes: catalog.allowsUnknownTypes,
  }));
}

function readOne(request: FastifyRequest<{ Body: Buffer | undefined }>, catalog: Catalog): NewEvent {
  const identify = readIdentity(request, { isMany: false });
  const body = parseJsonBody(request.body);
  const event = readNewEvent(body, catalog, { acceptsTimestamp: false, caller: request.caller?.name });
  return identify(event, body.text);
}

/**
 * Accepts one event, and sets the status and headers of its response.
 *
 * @param read reads it from the body, which is then forgotten. Until it is its turn, a large body is kept as it came:
 *    texts and objects made of it take several times its memory
 */
export async function acceptOne(
  read: () => NewEvent,
  request: FastifyRequest<{ Body: Buffer | undefined }>,
  reply: FastifyReply,
  options: AcceptOptions,
): Promise<Accepted> {
  const { turns, storedEvents, metrics } = options;
  const bytes = request.body?.length ?? 0;
  const { accepted, acknowledgement, caller } = await whileHeld(request, () =>
    turns.take(senderOf(request), bytes, async () => {
      const event = read();
      request.body = undefined;
      const acknowledgement = readAcknowledgement(request);
      return {
        accepted: await appendOne(event, request, reply, options),
        acknowledgement,
        caller: event.caller,
      };
    }),
  );
  metrics.eventTally.sent(request.caller?.name, accepted.duplicate ? 'duplicate' : 'accepted');
  const waits = acknowledgement.ack === 'stored';
  reply.code(waits ? await acknowledge(acknowledgement, [accepted], storedEvents, reply) : 201);
  setReceipt(reply, accepted, caller);
  return accepted;
}

async function appendOne(
  event: NewEvent,
  request: FastifyRequest,
  reply: FastifyReply,
  { producer, rateLimits }: AcceptOptions,
): Promise<Accepted> {
  try {
    if (rateLimits.applyTo(request.caller)) showLimit(reply, rateLimits.take(request.caller, 1));
    return await producer.accept(event, request.span?.traceparent);
  } catch (error) {
    // For the list of rejected events: what was sent is no longer at hand.
    request.body = eventText(event);
    throw error;
  }
}

/** The applicable limit, as in the IETF draft of `RateLimit` headers. */
function showLimit(reply: FastifyReply, state: RateLimitState | undefined): void {
  if (state === undefined) return;
  reply
    .header('RateLimit-Limit', String(state.limit))
    .header('RateLimit-Remaining', String(state.remaining))
    .header('RateLimit-Reset', String(state.resetS));
}

function setReceipt(
  reply: FastifyReply,
  { eventId, receipt, duplicate, warnings }: Accepted,
  caller: string | undefined,
): void {
  reply
    .header('Location', eventAddress(eventId, caller))
    .header('Event-Topic', receipt.topic)
    .header('Event-Partition', String(receipt.partition))
    .header('Event-Offset', String(receipt.offset));
  if (duplicate) reply.header('Event-Duplicate', duplicate);
  if (warnings) reply.header('Event-Warnings', encodeURI(warnings.slice(0, MAX_WARNINGS).join('; ')));
}
