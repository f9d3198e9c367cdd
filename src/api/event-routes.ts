import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Catalogue } from '../catalogue.ts';
import { type NewEvent, readNewEvent } from '../event.ts';
import { parseJsonBody } from '../json-body.ts';
import type { Accepted } from '../producer.ts';
import type { RateLimitState } from '../rate-limits.ts';
import { acknowledge, readAcknowledgement } from './acknowledgement.ts';
import { senderOf } from './batch-routes.ts';
import { readIdentity } from './event-identity.ts';
import { eventAddress } from './event-state-routes.ts';
import type { ApiOptions } from './server.ts';

const JSON_TYPE = 'application/json; charset=utf-8';
/** As many as fit a header, whatever they say. */
const MAX_WARNINGS = 3;

/** Events one by one. Bodies are put together as text: an event is already JSON, and is not parsed to be sent. */
export async function eventRoutes(api: FastifyInstance, options: ApiOptions): Promise<void> {
  const { catalogue, maxBodyBytes } = options;
  api.post<{ Body: Buffer | undefined }>(
    '/events/generate',
    { config: { holdsBytes: maxBodyBytes, takesEvents: 'one', scope: 'write' } },
    async (request, reply) => {
      const { json } = await acceptOne(readOne(request, catalogue), request, reply, options);
      return reply.type(JSON_TYPE).send(`{"success":true,"event":${json}}`);
    },
  );

  api.get('/event-types', { config: { scope: 'read' } }, async () => ({
    eventTypes: catalogue.describe(),
    takesOthers: catalogue.takesUnknown,
  }));
}

/** Apart, so that nothing of the parsed body is kept while the event is appended. */
function readOne(request: FastifyRequest<{ Body: Buffer | undefined }>, catalogue: Catalogue): NewEvent {
  const identify = readIdentity(request, { isMany: false });
  const body = parseJsonBody(request.body);
  request.body = undefined;
  const event = readNewEvent(body, catalogue, { takesTimestamp: false, caller: request.caller?.name });
  return identify(event, body.text);
}

/** Takes one event in, and sets the status and headers of its answer. */
export async function acceptOne(
  event: NewEvent,
  request: FastifyRequest,
  reply: FastifyReply,
  { producer, turns, rateLimits, storedEvents }: ApiOptions,
): Promise<Accepted> {
  const acknowledgement = readAcknowledgement(request);
  if (rateLimits.applyTo(request.caller)) showLimit(reply, rateLimits.take(request.caller, 1));
  const accepted = await turns.take(senderOf(request), event.payload.length, () => producer.accept(event));
  const waits = acknowledgement.ack === 'stored';
  reply.code(waits ? await acknowledge(acknowledgement, [accepted], storedEvents, reply) : 201);
  setReceipt(reply, accepted, event.caller);
  return accepted;
}

/** The limit that applies, as in the IETF's draft of `RateLimit` headers. */
function showLimit(reply: FastifyReply, state: RateLimitState | undefined): void {
  if (state === undefined) return;
  reply
    .header('RateLimit-Limit', String(state.limit))
    .header('RateLimit-Remaining', String(state.remaining))
    .header('RateLimit-Reset', String(state.resetS));
}

function setReceipt(
  reply: FastifyReply,
  { eventId, receipt, repeated, warnings }: Accepted,
  caller: string | undefined,
): void {
  reply
    .header('Location', eventAddress(eventId, caller))
    .header('Event-Topic', receipt.topic)
    .header('Event-Partition', String(receipt.partition))
    .header('Event-Offset', String(receipt.offset));
  if (repeated) reply.header('Event-Repeated', repeated);
  if (warnings) reply.header('Event-Warnings', encodeURI(warnings.slice(0, MAX_WARNINGS).join('; ')));
}
