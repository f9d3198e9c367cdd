import type { FastifyInstance, FastifyRequest, FastifySchema } from 'fastify';
import Type from 'typebox';
import type { Clock } from '../../clock.ts';
import type { PayloadCondition } from '../../events/payload-conditions.ts';
import { countFunnel, type FunnelQuery, type FunnelStep } from '../../query/funnel.ts';
import { DAY_MS, type EventStore } from '../../store/event-store.ts';
import { QueryReader, type QueryString } from '../openapi/query-reader.ts';
import { count, Moment, PAYLOAD_FILTERS } from '../openapi/reading-schemas.ts';
import { answers, Id, json, ref } from '../openapi/schemas.ts';
import { countLimits } from './count-limits.ts';
import { checkRange, endOfRange, readPayloads } from './event-filters.ts';

const SECOND_MS = 1000;
const DAY_S = DAY_MS / SECOND_MS;
const MOST_DAYS = 90;
const STEPS = { least: 2, most: 5 };
/** Before the names of conditions: of all steps, then of each. */
const CONDITIONS_OF = Array.from({ length: STEPS.most + 1 }, (_, step) => (step === 0 ? '' : `step${step}.`));
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
  description: `How many users have an event of the first type and after it one of each of the others, in this order and within a time. Other events may be in between. By the timestamps of the events; those of the same time in the order in which they were stored. Counts are exact. ${PAYLOAD_FILTERS} They hold for the events of all steps; \`step2.payload.MEMBER[OPERATOR]=VALUE\` holds for those of the second step, and so on.`,
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
  const reader = new QueryReader(query, QUERY, { payloadsOf: CONDITIONS_OF });
  const types = reader.texts('step') ?? [];
  const withinMs = reader.integer('withinSeconds') * SECOND_MS;
  const to = reader.time('to') ?? endOfRange(now);
  const from = reader.time('from') ?? to - DAY_MS;
  const [ofAll, ...ofEach] = readPayloads(reader, CONDITIONS_OF) as [
    PayloadCondition[],
    ...PayloadCondition[][],
  ];
  if (types.length < STEPS.least) {
    reader.errors.push(`step must be given ${STEPS.least} to ${STEPS.most} times`);
  }
  const beyond = ofEach.findIndex((conditions, at) => at >= types.length && conditions.length > 0);
  if (beyond !== -1)
    reader.errors.push(`step${beyond + 1} has conditions but no type: give step once for each`);
  checkRange(reader.errors, from, to);
  reader.done();
  const steps = types.map((eventType, at) => ({ eventType, payload: [...ofAll, ...ofEach[at]!] }));
  return { steps, withinMs, from, to };
}
