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

/** The most that one event and its state take. */
const EVENT_BYTES = 1_000_000;
const JSON_TYPE = 'application/json; charset=utf-8';
/** Sibling paths of events, which have other methods. */
const OWN_PATHS = ['generate', 'batch', 'stream', 'rejected'];

/** The address of an event. @param caller who chose its eventId, if callers have names */
export function eventAddress(eventId: string, caller: string | undefined): string {
  const address = `/events/${encodeURIComponent(eventId)}`;
  return caller === undefined ? address : `${address}?caller=${encodeURIComponent(caller)}`;
}

const GET_EVENT: FastifySchema = {
  operationId: 'getEvent',
  tags: ['Events'],
  summary: 'One event and its state',
  params: Type.Object({ eventId: Type.String() }),
  querystring: Type.Object({
    caller: Type.Optional(
      Type.String({ description: 'Only the event that this caller sent under an eventId it chose.' }),
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

/** One event and its state. */
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

/** Whose ids to search: those of the caller asked for, or else those without a caller and of every known caller. */
function callersOf(
  asked: string | string[] | undefined,
  names: Iterable<string>,
): readonly (string | undefined)[] {
  if (asked === undefined) return [undefined, ...names];
  if (typeof asked === 'string') return [asked];
  throw new ApiError('invalid_query', { details: ['caller must be given once'] });
}

/** @param callers everyone who has sent an event with this id; the event of the first is shown */
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

/** An event's state, and the event as stored. */
function withEvent(facts: object, json: string): string {
  return `${JSON.stringify(facts).slice(0, -1)},"event":${json}}`;
}
