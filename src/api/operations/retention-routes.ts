import type { FastifyInstance, FastifySchema } from 'fastify';
import Type from 'typebox';
import type { Catalog } from '../../events/catalog.ts';
import { dateOf } from '../../events/moments.ts';
import { MOST_RETENTION_DAYS } from '../../events/retention-days.ts';
import {
  ALL_DAYS,
  DAY_MS,
  daysOf,
  type EventCounts,
  type EventStore,
  hoursBefore,
  latestDay,
} from '../../store/event-store.ts';
import { QueryReader, type QueryString } from '../openapi/query-reader.ts';
import { answers, json, ref } from '../openapi/schemas.ts';

const PAGE_BYTES = 200_000;
/** Those with the most events. */
const MOST_TYPES = 1000;

const QUERY = Type.Object({
  days: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: MOST_RETENTION_DAYS,
      description: 'What would go if `RETENTION_DAYS` were this.',
    }),
  ),
});

const GET_RETENTION: FastifySchema = {
  operationId: 'getRetention',
  tags: ['Operations'],
  summary: 'How long events are kept, and what is to go',
  description:
    'By event type: for how many days its events are kept, and how many are older. They go within the hour, in small steps. With `days`, nothing goes: it shows what would. With more than 1000 types, those with the most events are listed.',
  querystring: QUERY,
  response: answers.read(
    { 200: json('Days and events.', ref('Retention')) },
    'invalid_query',
    'store_unavailable',
  ),
};

export interface RetentionRoutesOptions {
  store: EventStore;
  catalog: Catalog;
}

/** What leaves the store by itself, and when. */
export async function retentionRoutes(
  api: FastifyInstance,
  { store, catalog: { retention } }: RetentionRoutesOptions,
): Promise<void> {
  api.get<{ Querystring: QueryString }>(
    '/retention',
    { schema: GET_RETENTION, config: { reservesBytes: PAGE_BYTES, scope: 'read' } },
    async ({ query }) => {
      const reader = new QueryReader(query, QUERY);
      const overall = query.days === undefined ? retention.overall : reader.integer('days');
      reader.done();
      const [totals, kept] = await Promise.all([store.counts.totals(), store.retention.keptDays()]);
      const { today } = retention;
      const listed = totals.toSorted((a, b) => b.events - a.events).slice(0, MOST_TYPES);
      const firstDay = daysOf(kept);
      const types = listed.map(({ eventType, events }) => {
        const days = retention.types.get(eventType) ?? overall;
        const wanted = days === undefined ? ALL_DAYS : today - days;
        return { eventType, events, days, day: Math.max(wanted, firstDay(eventType)) };
      });
      const expired = await expiredBefore(
        store.counts,
        types.map(({ day }) => day),
      );
      return {
        retentionDays: overall ?? null,
        types: types.map(({ eventType, events, days, day }) => ({
          eventType,
          retentionDays: days ?? null,
          keepsFrom: dayText(day),
          events,
          expired: expired.get(day)!.get(eventType) ?? 0,
        })),
        keptFrom: dayText(latestDay(kept)),
      };
    },
  );
}

/** How many events of each type are before each of these days. */
async function expiredBefore(
  counts: EventCounts,
  days: readonly number[],
): Promise<Map<number, Map<string, number>>> {
  const found = [...new Set(days)].map(async (day) => {
    const totals = await counts.totals(hoursBefore(day));
    return [day, new Map(totals.map(({ eventType, events }) => [eventType, events]))] as const;
  });
  return new Map(await Promise.all(found));
}

function dayText(day: number): string | null {
  return day === ALL_DAYS ? null : dateOf(day * DAY_MS);
}
