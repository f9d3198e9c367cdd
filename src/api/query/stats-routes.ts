import type { FastifyInstance, FastifyRequest, FastifySchema } from 'fastify';
import Type from 'typebox';
import type { Clock } from '../../clock.ts';
import { dateOf } from '../../events/moments.ts';
import { payloadDimension } from '../../events/payload-path.ts';
import {
  ALL_DAYS,
  DAY_MS,
  type EventCounts,
  type EventStore,
  HOUR_MS,
  HOURS_A_DAY,
  type HourCount,
  type KeptDays,
  latestDay,
  MOST_COUNTED_OF_USER,
  type TypeTotal,
  USER_DIMENSION,
} from '../../store/event-store.ts';
import { QueryReader, type QueryString } from '../openapi/query-reader.ts';
import { count, INTERVALS, Moment } from '../openapi/reading-schemas.ts';
import { answers, Id, json, ref } from '../openapi/schemas.ts';
import { checkRange } from './event-filters.ts';

const MOST_INTERVALS = 1000;
/** The default range. */
const USUAL_INTERVALS = { hour: 24, day: 30 };
const TOP_LIMITS = { least: 1, most: 100, fallback: 10 };
/** If any event type is accepted, there may be as many types as events: the most frequent are listed, the others added up. */
const MOST_TYPES = 1000;
const STATS_BYTES = 200_000;
const USER_STATS_BYTES = 10_000;

const QUERY = Type.Object({
  interval: Type.Optional(Type.Enum([...INTERVALS])),
  from: Type.Optional({
    ...Moment,
    description: 'Of `counts` and `activeUsers`: from this hour, inclusive.',
  }),
  to: Type.Optional({
    ...Moment,
    description: `Up to this time; at most ${MOST_INTERVALS} intervals after \`from\`. Default: the last 24 hours or 30 days.`,
  }),
  day: Type.Optional({ ...Moment, description: 'Of `topUsers` and `topValues`; default: today.' }),
  top: count(TOP_LIMITS),
});
const GET_STATS: FastifySchema = {
  operationId: 'getStats',
  tags: ['Reading'],
  summary: 'Exact counts of stored events',
  description:
    'Events by type, and by type and hour or day; distinct users by day; the users and payload values with the most events on one day. By event timestamps, in UTC; duplicates are not counted. Intervals without events are left out.',
  querystring: QUERY,
  response: answers.read({ 200: json('The counts.', ref('Stats')) }, 'invalid_query', 'store_unavailable'),
};

const USER_QUERY = Type.Object({ userId: Id });
const GET_USER_STATS: FastifySchema = {
  operationId: 'getUserStats',
  tags: ['Reading'],
  summary: 'How many events a user has, and the times of the first and the last',
  description: `By the events' timestamps; both are null for a user without events. ${MOST_COUNTED_OF_USER} means that many or more.`,
  querystring: USER_QUERY,
  response: answers.read({ 200: json('The user.', ref('UserStats')) }, 'invalid_query', 'store_unavailable'),
};

interface StatsQuery {
  interval: (typeof INTERVALS)[number];
  /** Hours since 1970: the first and the last. */
  from: number;
  to: number;
  /** Since 1970. */
  day: number;
  top: number;
}

export interface StatsRoutesOptions {
  store: EventStore;
  /** Payload members whose values are counted. */
  countedProperties: readonly string[];
  clock: Pick<Clock, 'date'>;
}

/** Exact counts of stored events. All times are UTC. */
export async function statsRoutes(
  api: FastifyInstance,
  { store, countedProperties, clock }: StatsRoutesOptions,
): Promise<void> {
  api.get<{ Querystring: QueryString }>(
    '/events/stats',
    { schema: GET_STATS, config: { reservesBytes: STATS_BYTES, scope: 'read' } },
    async (request) => {
      const query = readQuery(request, clock.date());
      const { counts } = store;
      const { from, to, day, top, interval } = query;
      const days = { from: Math.floor(from / HOURS_A_DAY), to: Math.floor(to / HOURS_A_DAY) };
      const [totals, hours, active, kept] = await Promise.all([
        counts.totals(),
        counts.byHour({ from, to }),
        counts.distinctByDay(USER_DIMENSION, days),
        store.retention.keptDays(),
      ]);
      const total = sumOf(totals);
      const listed = withMostEvents(totals);
      return {
        total,
        totals: listed.map(({ eventType, events, firstHour, lastHour }) => ({
          eventType,
          events,
          firstHour: timeOf(firstHour),
          lastHour: timeOf(lastHour),
        })),
        otherTypes: { types: totals.length - listed.length, events: total - sumOf(listed) },
        interval,
        counts: byInterval(hours, interval, new Set(listed.map(({ eventType }) => eventType))),
        activeUsers: active.map(({ day, values }) => ({ day: dateOf(day * DAY_MS), users: values })),
        keptFrom: keptFrom(kept),
        day: dateOf(day * DAY_MS),
        topUsers: await counts.topValues(USER_DIMENSION, day, top),
        topValues: await topValues(counts, countedProperties, day, top),
      };
    },
  );

  api.get<{ Querystring: QueryString }>(
    '/events/stats/user',
    { schema: GET_USER_STATS, config: { reservesBytes: USER_STATS_BYTES, scope: 'read' } },
    async (request) => {
      const userId = readUserId(request);
      const { events, first, latest } = await store.counts.ofUser(userId);
      return { userId, events, first: momentOf(first), latest: momentOf(latest) };
    },
  );
}

/** The day from which events of all types are kept; null: none were removed. */
function keptFrom(kept: KeptDays): string | null {
  const latest = latestDay(kept);
  return latest === ALL_DAYS ? null : dateOf(latest * DAY_MS);
}

/** @throws ApiError `invalid_query` */
function readUserId({ query }: FastifyRequest<{ Querystring: QueryString }>): string {
  const reader = new QueryReader(query, USER_QUERY);
  const userId = reader.text('userId');
  if (userId === undefined && reader.errors.length === 0) reader.errors.push('userId is required');
  reader.done();
  return userId!;
}

async function topValues(counts: EventCounts, members: readonly string[], day: number, top: number) {
  const lists = members.map(async (member) => ({
    member,
    values: await counts.topValues(payloadDimension(member), day, top),
  }));
  return Promise.all(lists);
}

/** In the given order. */
function withMostEvents(totals: readonly TypeTotal[]): readonly TypeTotal[] {
  if (totals.length <= MOST_TYPES) return totals;
  const listed = new Set(totals.toSorted((a, b) => b.events - a.events).slice(0, MOST_TYPES));
  return totals.filter((total) => listed.has(total));
}

function sumOf(totals: readonly { events: number }[]): number {
  return totals.reduce((sum, { events }) => sum + events, 0);
}

/** One entry per interval with events: its start, and the events of each listed type and of all others. */
function byInterval(
  hours: readonly HourCount[],
  interval: StatsQuery['interval'],
  listed: ReadonlySet<string>,
) {
  const size = interval === 'hour' ? 1 : HOURS_A_DAY;
  const intervals = Map.groupBy(hours, ({ hour }) => Math.floor(hour / size) * size);
  return [...intervals].map(([start, own]) => {
    const events: Record<string, number> = Object.create(null);
    let others = 0;
    for (const { eventType, events: count } of own) {
      if (listed.has(eventType)) events[eventType] = (events[eventType] ?? 0) + count;
      else others += count;
    }
    return { start: timeOf(start), events, others };
  });
}

/** @throws ApiError `invalid_query` */
function readQuery({ query }: FastifyRequest<{ Querystring: QueryString }>, now: Date): StatsQuery {
  const reader = new QueryReader(query, QUERY);
  const interval = reader.choice('interval');
  const size = interval === 'hour' ? 1 : HOURS_A_DAY;
  const until = reader.time('to') ?? now.getTime() + 1;
  const to = Math.floor((until - 1) / HOUR_MS);
  const usual = (Math.floor(to / size) - USUAL_INTERVALS[interval] + 1) * size;
  const since = reader.time('from');
  const from = since === undefined ? usual : Math.floor(since / HOUR_MS);
  const day = Math.floor((reader.time('day') ?? now.getTime()) / DAY_MS);
  const top = reader.integer('top');
  const length = (to - from) / size;
  checkRange(reader.errors, from, to + 1, { length, most: MOST_INTERVALS, unit: `${interval}s` });
  reader.done();
  return { interval, from, to, day, top };
}

function timeOf(hour: number): string {
  return new Date(hour * HOUR_MS).toISOString();
}

function momentOf(time: number | null): string | null {
  return time === null ? null : new Date(time).toISOString();
}
