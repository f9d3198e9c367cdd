import type { FastifyInstance, FastifyRequest, FastifySchema } from 'fastify';
import Type from 'typebox';
import type { Clock } from '../../clock.ts';
import { payloadPath } from '../../events/payload-path.ts';
import { countSeries, type Dimension, type SeriesQuery } from '../../query/event-series.ts';
import { DAY_MS, type EventStore, HOUR_MS } from '../../store/event-store.ts';
import { QueryReader, type QueryString } from '../openapi/query-reader.ts';
import { count, FILTERS, Moment, PAYLOAD_FILTERS } from '../openapi/reading-schemas.ts';
import { answers, json, ref } from '../openapi/schemas.ts';
import { countLimits } from './count-limits.ts';
import { checkRange, endOfRange, readFilter } from './event-filters.ts';

const MINUTE_MS = 60_000;
const INTERVALS = {
  minute: MINUTE_MS,
  '5minutes': 5 * MINUTE_MS,
  '15minutes': 15 * MINUTE_MS,
  hour: HOUR_MS,
  day: DAY_MS,
};
type Interval = keyof typeof INTERVALS;
const NAMES = Object.keys(INTERVALS) as Interval[];
const MOST_INTERVALS = 1000;
/** The default number of intervals. */
const USUAL_INTERVALS = 24;
const TOP_LIMITS = { least: 1, most: 100, fallback: 10 };
/** The memory of one step of reading; memory for the values is reserved as they are found. */
const SERIES_BYTES = 3_000_000;

const QUERY = Type.Object({
  ...FILTERS,
  from: Type.Optional({
    ...Moment,
    description: 'By the event timestamp, inclusive; default: 24 hours before `to`.',
  }),
  to: Type.Optional({
    ...Moment,
    description: 'By the event timestamp, exclusive; default: now.',
  }),
  interval: Type.Optional({
    ...Type.Enum(NAMES),
    description: `In UTC; at most ${MOST_INTERVALS}. Default: the longest that divides the range into at least ${USUAL_INTERVALS}.`,
  }),
  by: Type.Optional({
    ...Type.String({ pattern: '^(eventType|userId|payload(\\.[^.]+)+)$' }),
    description:
      'Counts each value separately: `eventType`, `userId` or `payload.MEMBER`. Numbers count as one value however they were written (`1.50` is `1.5`); numbers that a 64-bit float cannot represent exactly count as they were sent.',
  }),
  top: Type.Optional({ ...count(TOP_LIMITS), description: 'How many values to list.' }),
  compare: Type.Optional({
    ...Type.Enum(['previous']),
    description: 'Also counts the previous period of the same length.',
  }),
});
const GET_SERIES: FastifySchema = {
  operationId: 'getEventSeries',
  tags: ['Reading'],
  summary: 'Exact counts of stored events over time',
  description: `Counts all events that match, or each value of \`by\` separately, by the events' timestamps. Each event stored before the request counts once. ${PAYLOAD_FILTERS}`,
  querystring: QUERY,
  response: answers.read(
    { 200: json('The counts.', ref('EventSeries')) },
    'invalid_query',
    'too_many_events',
    'store_unavailable',
  ),
};

export interface SeriesRoutesOptions {
  store: EventStore;
  clock: Pick<Clock, 'date'>;
}

/** Exact counts of stored events over time. */
export async function seriesRoutes(
  api: FastifyInstance,
  { store, clock }: SeriesRoutesOptions,
): Promise<void> {
  api.get<{ Querystring: QueryString }>(
    '/events/stats/series',
    { schema: GET_SERIES, config: { reservesBytes: SERIES_BYTES, scope: 'read' } },
    async (request, reply) => {
      const { query, interval, by } = readQuery(request, clock.date());
      const { series, others, previousCounts } = await countSeries(store, query, countLimits(request, reply));
      const { from, to, withPrevious } = query;
      const all = [...series, others];
      const previous = {
        from: new Date(from - (to - from)).toISOString(),
        to: new Date(from).toISOString(),
        total: sumOf(all.map(({ previous }) => previous)),
        counts: [...previousCounts],
      };
      const written = <One extends (typeof all)[number]>(one: One) => ({
        ...one,
        previous: withPrevious ? one.previous : undefined,
        counts: [...one.counts],
      });
      return {
        from: new Date(from).toISOString(),
        to: new Date(to).toISOString(),
        interval,
        by,
        total: sumOf(all.map(({ events }) => events)),
        series: series.map(written),
        others: written(others),
        previous: withPrevious ? previous : undefined,
      };
    },
  );
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}

interface Asked {
  query: SeriesQuery;
  interval: Interval;
  by: string | null;
}

/** @throws ApiError `invalid_query` */
function readQuery({ query }: FastifyRequest<{ Querystring: QueryString }>, now: Date): Asked {
  const reader = new QueryReader(query, QUERY, { takesPayload: true });
  const filter = readFilter(reader);
  const { to = endOfRange(now) } = filter;
  const { from = to - DAY_MS } = filter;
  const interval = query.interval === undefined ? usualInterval(to - from) : reader.choice('interval');
  const length = INTERVALS[interval];
  const by = reader.matching('by', 'eventType, userId or payload.MEMBER');
  const top = reader.integer('top');
  const withPrevious = query.compare !== undefined && reader.choice('compare') === 'previous';
  const intervals = Math.ceil(to / length) - Math.floor(from / length);
  checkRange(reader.errors, from, to, { length: intervals, most: MOST_INTERVALS, unit: 'intervals' });
  reader.done();
  const path = by === undefined ? undefined : payloadPath(by);
  const dimension = path ?? (by as Dimension | undefined);
  return {
    query: { ...filter, from, to, by: dimension, length, top, withPrevious },
    interval,
    by: by ?? null,
  };
}

function usualInterval(ms: number): Interval {
  return NAMES.findLast((name) => ms / INTERVALS[name] >= USUAL_INTERVALS) ?? 'minute';
}
