import type { FastifyInstance, FastifyRequest, FastifySchema } from 'fastify';
import Type from 'typebox';
import type { Clock } from '../../clock.ts';
import { countFunnel, type FunnelQuery } from '../../query/funnel.ts';
import type { FunnelStep } from '../../query/funnel-tally.ts';
import { DAY_MS, type EventStore } from '../../store/event-store.ts';
import { QueryReader, type QueryString } from '../openapi/query-reader.ts';
import { count, Moment, PAYLOAD_FILTERS } from '../openapi/reading-schemas.ts';
import { answers, Id, json, ref } from '../openapi/schemas.ts';
import { countLimits } from './count-limits.ts';
import { checkRange, endOfRange, readPayload } from './event-filters.ts';

const SECOND_MS = 1000;
const DAY_S = DAY_MS / SECOND_MS;
const MOST_DAYS = 90;
const STEPS = { least: 2, most: 5 };
/** The memory of one step of reading; memory for the users is reserved as they are found. */
const FUNNEL_BYTES = 3_000_000;

const QUERY = Type.Object({
  step: Type.Array(Id, {
    minItems: STEPS.least,
    maxItems: STEPS.most,
    description: 'Event types, in order: `step=VIEW&step=PURCHASE`. A type may be repeated.',
  }),
  withinSeconds: Type.Optional({
    ...count({ least: 1, most: MOST_DAYS * DAY_S, fallback: DAY_S }),
    description: 'The longest time from the first step to the last.',
  }),
  from: Type.Optional({
    ...Moment,
    description: 'When the first step happened, inclusive; default: 24 hours before `to`.',
  }),
  to: Type.Optional({
    ...Moment,
    description: 'When the first step happened, exclusive; default: now. The other steps may be later.',
  }),
});
const GET_FUNNEL: FastifySchema = {
  operationId: 'getFunnel',
  tags: ['Reading'],
  summary: 'How many users reach each step',
  description: `How many users have an event of the first type and after it one of each of the others, in this order and within a time. Other events may be in between. By the timestamps of the events; those of the same time in the order in which they were stored. Counts are exact. ${PAYLOAD_FILTERS} They hold for the events of all steps.`,
  querystring: QUERY,
  response: answers.read(
    { 200: json('The users of each step.', ref('Funnel')) },
    'invalid_query',
    'too_many_events',
    'store_unavailable',
  ),
};

export interface FunnelRoutesOptions {
  store: EventStore;
  clock: Pick<Clock, 'date'>;
}

/** How many users reach each step. */
export async function funnelRoutes(
  api: FastifyInstance,
  { store, clock }: FunnelRoutesOptions,
): Promise<void> {
  api.get<{ Querystring: QueryString }>(
    '/events/stats/funnel',
    { schema: GET_FUNNEL, config: { reservesBytes: FUNNEL_BYTES, scope: 'read' } },
    async (request, reply) => {
      const query = readQuery(request, clock.date());
      const steps = await countFunnel(store, query, countLimits(request, reply));
      return {
        from: new Date(query.from).toISOString(),
        to: new Date(query.to).toISOString(),
        withinSeconds: query.withinMs / SECOND_MS,
        steps: steps.map((one, at) => withShares(one, steps[0]!, steps[at - 1])),
      };
    },
  );
}

function withShares(step: FunnelStep, first: FunnelStep, previous: FunnelStep | undefined) {
  return {
    ...step,
    share: shareOf(step, first),
    shareOfPrevious: previous === undefined ? null : shareOf(step, previous),
  };
}

function shareOf({ users }: FunnelStep, of: FunnelStep): number | null {
  return of.users === 0 ? null : users / of.users;
}

/** @throws ApiError `invalid_query` */
function readQuery({ query }: FastifyRequest<{ Querystring: QueryString }>, now: Date): FunnelQuery {
  const reader = new QueryReader(query, QUERY, { takesPayload: true });
  const steps = reader.texts('step') ?? [];
  const withinMs = reader.integer('withinSeconds') * SECOND_MS;
  const to = reader.time('to') ?? endOfRange(now);
  const from = reader.time('from') ?? to - DAY_MS;
  const payload = readPayload(reader);
  if (steps.length < STEPS.least) {
    reader.errors.push(`step must be given ${STEPS.least} to ${STEPS.most} times`);
  }
  checkRange(reader.errors, from, to);
  reader.done();
  return { steps, withinMs, from, to, payload };
}
