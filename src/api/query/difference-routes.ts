import type { FastifyInstance, FastifyRequest, FastifySchema } from 'fastify';
import Type from 'typebox';
import type { Clock } from '../../clock.ts';
import { type Difference, type DifferenceQuery, findDifference } from '../../query/event-difference.ts';
import { KeptValues } from '../../query/kept-values.ts';
import { DAY_MS, type EventStore, HOUR_MS } from '../../store/event-store.ts';
import { QueryReader, type QueryString } from '../openapi/query-reader.ts';
import { count, FILTERS, Moment, PAYLOAD_FILTERS } from '../openapi/reading-schemas.ts';
import { answers, json, ref } from '../openapi/schemas.ts';
import { countLimits } from './count-limits.ts';
import { checkRange, endOfRange, readFilter } from './event-filters.ts';

const TOP_LIMITS = { least: 1, most: 100, fallback: 20 };
/** The memory of one step of reading; memory for the values is reserved as they are found, that for kept ones is shared. */
const DIFFERENCE_BYTES = 3_000_000;

const QUERY = Type.Object({
  ...FILTERS,
  from: Type.Optional({
    ...Moment,
    description: 'The selection, by the timestamp of the event, inclusive; default: an hour before `to`.',
  }),
  to: Type.Optional({ ...Moment, description: 'Exclusive; default: now.' }),
  baselineFrom: Type.Optional({
    ...Moment,
    description: 'The baseline, inclusive; default: 24 hours before `from`. The selection is not part of it.',
  }),
  baselineTo: Type.Optional({ ...Moment, description: 'Exclusive; default: `from`.' }),
  top: Type.Optional({ ...count(TOP_LIMITS), description: 'How many values to list.' }),
});
const GET_DIFFERENCE: FastifySchema = {
  operationId: 'getEventDifference',
  tags: ['Reading'],
  summary: 'What is different about the events of a range',
  description: `The event types, users, payload values and payload members that a greater share of the events of one range has than of the events around it or before it. Counts are exact. ${PAYLOAD_FILTERS}`,
  querystring: QUERY,
  response: answers.read(
    { 200: json('The values, by how much greater their share is.', ref('EventDifference')) },
    'invalid_query',
    'too_many_events',
    'store_unavailable',
  ),
};

export interface DifferenceRoutesOptions {
  store: EventStore;
  clock: Pick<Clock, 'date'>;
}

/** What is different about the events of a range. */
export async function differenceRoutes(
  api: FastifyInstance,
  { store, clock }: DifferenceRoutesOptions,
): Promise<void> {
  const kept = new KeptValues();
  api.get<{ Querystring: QueryString }>(
    '/events/stats/difference',
    { schema: GET_DIFFERENCE, config: { reservesBytes: DIFFERENCE_BYTES, scope: 'read' } },
    async (request, reply) => {
      const query = readQuery(request, clock.date());
      const found = await findDifference(store, query, countLimits(request, reply), kept);
      const { from, to, baselineFrom, baselineTo } = query;
      return {
        from: new Date(from).toISOString(),
        to: new Date(to).toISOString(),
        baselineFrom: new Date(baselineFrom).toISOString(),
        baselineTo: new Date(baselineTo).toISOString(),
        ...withShares(found),
      };
    },
  );
}

function withShares({ events, baselineEvents, comparedFrom, values }: Difference) {
  return {
    events,
    baselineEvents,
    comparedFrom,
    values: values.map((one) => {
      const share = one.events / events;
      const baselineShare = baselineEvents === 0 ? 0 : one.baselineEvents / baselineEvents;
      return { ...one, share, baselineShare, difference: share - baselineShare };
    }),
  };
}

/** @throws ApiError `invalid_query` */
function readQuery({ query }: FastifyRequest<{ Querystring: QueryString }>, now: Date): DifferenceQuery {
  const reader = new QueryReader(query, QUERY, { takesPayload: true });
  const filter = readFilter(reader);
  const { to = endOfRange(now) } = filter;
  const { from = to - HOUR_MS } = filter;
  const baselineFrom = reader.time('baselineFrom') ?? from - DAY_MS;
  const baselineTo = reader.time('baselineTo') ?? from;
  const top = reader.integer('top');
  checkRange(reader.errors, from, to);
  checkRange(reader.errors, baselineFrom, baselineTo, undefined, ['baselineFrom', 'baselineTo']);
  reader.done();
  return { ...filter, from, to, baselineFrom, baselineTo, top };
}
