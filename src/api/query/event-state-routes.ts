import type { FastifyInstance, FastifySchema } from 'fastify';
import Type from 'typebox';
import type { ApiKeys } from '../../access/api-keys.ts';
import type { DeadLetters } from '../../dead-letters/dead-letters.ts';
import { ApiError } from '../../errors.ts';
import { eventKey } from '../../events/event.ts';
import { callersKey } from '../../events/event-ids.ts';
import type { Producer } from '../../ingest/producer.ts';
import type { EventRecord, EventStore } from '../../store/event-store.ts';
import { answers, json, ref } from '../openapi/schemas.ts';

/** What one event takes at most, and what is known of it. */
const EVENT_BYTES = 1_000_000;
const JSON_TYPE = 'application/json; charset=utf-8';
/** Paths beside events, which answer other methods than this one. */
const OWN_PATHS = ['generate', 'batch', 'stream', 'rejected'];

/** Where an event is shown. @param caller whose choice its eventId is, where callers have names */
export function eventAddress(eventId: string, caller: string | undefined): string {
  const address = `/events/${encodeURIComponent(eventId)}`;
  return caller === undefined ? address : `${address}?caller=${encodeURIComponent(caller)}`;
}

const GET_EVENT: FastifySchema = {
  operationId: 'getEvent',
  tags: ['Events'],
  summary: 'One event, and what became of it',
  params: Type.Object({ eventId: Type.String() }),
  querystring: Type.Object({
    caller: Type.Optional(
      Type.String({ description: 'Only one that this caller sent under an eventId of its choice.' }),
    ),
  }),
  response: answers.read(
    { 200: json('The event and its state.', ref('EventState')) },
    'invalid_query',
    'event_not_found',
    'store_unavailable',
  ),
};

interface StateRequest {
  Params: { eventId: string };
  Querystring: { caller?: string | string[] };
}

export interface EventStateRoutesOptions {
  producer: Producer;
  store: EventStore;
  deadLetters: DeadLetters;
  apiKeys: ApiKeys | undefined;
}

/** One event, and what became of it. */
export async function eventStateRoutes(
  api: FastifyInstance,
  options: EventStateRoutesOptions,
): Promise<void> {
  const { producer, store, deadLetters, apiKeys } = options;
  api.get<StateRequest>(
    '/events/:eventId',
    { schema: GET_EVENT, config: { reservesBytes: EVENT_BYTES, scope: 'read' } },
    async ({ params: { eventId }, query }, reply) => {
      if (OWN_PATHS.includes(eventId)) return reply.callNotFound();
      const callers = callersOf(query.caller, apiKeys?.names ?? []);
      const keys = callers.map((caller) => callersKey(eventId, caller));
      const stored = await store.get(keys);
      const found = callers.filter((_, at) => stored.has(keys[at]!));
      if (found.length > 0) {
        const { json, ...known } = stored.get(callersKey(eventId, found[0]))!;
        return reply.type(JSON_TYPE).send(withEvent(storedFacts(known, found), json));
      }
      const at = keys.findIndex((key) => producer.recent(key) !== undefined);
      const recent = producer.recent(keys[at] ?? '');
      const [deadLetter] = await deadLetters.list({ key: eventKey(eventId), limit: 1 });
      if (deadLetter) {
        const { id, partition, offset, reason, detail } = deadLetter;
        const facts = { state: 'dead-lettered', partition, offset: String(offset), deadLetterId: String(id) };
        return reply.type(JSON_TYPE).send(withEvent({ ...facts, reason, detail }, recent?.json ?? 'null'));
      }
      if (recent === undefined) throw new ApiError('event_not_found');
      const { partition, offset } = recent.receipt;
      const facts = { state: 'pending', partition, offset: String(offset), caller: callers[at] };
      return reply.type(JSON_TYPE).send(withEvent(facts, recent.json));
    },
  );
}

/** Under whose ids to look: of the caller that is asked for, else of nobody in particular and of each there is. */
function callersOf(
  asked: string | string[] | undefined,
  names: Iterable<string>,
): readonly (string | undefined)[] {
  if (asked === undefined) return [undefined, ...names];
  if (typeof asked === 'string') return [asked];
  throw new ApiError('invalid_query', { details: ['caller must be given once'] });
}

/** @param callers all that have sent an event with this id; the first is the one that is shown */
function storedFacts(
  { partition, offset, ...known }: Omit<EventRecord, 'json'>,
  callers: readonly (string | undefined)[],
): object {
  return {
    state: 'stored',
    partition,
    offset: offset === null ? null : String(offset),
    ...known,
    caller: callers[0],
    callers: callers.length > 1 ? callers.map((caller) => caller ?? null) : undefined,
  };
}

/** What is known of an event, and the event as it is in the store. */
function withEvent(facts: object, json: string): string {
  return `${JSON.stringify(facts).slice(0, -1)},"event":${json}}`;
}
