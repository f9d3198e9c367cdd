import type { FastifyInstance, FastifyRequest, FastifySchema } from 'fastify';
import Type from 'typebox';
import type { Clock } from '../../clock.ts';
import { countReturning, type ReturningQuery } from '../../query/returning-users.ts';
import type { EventStore } from '../../store/event-store.ts';
import { QueryReader, type QueryString } from '../openapi/query-reader.ts';
import { FILTERS, Moment, PAYLOAD_FILTERS } from '../openapi/reading-schemas.ts';
import { answers, json, ref } from '../openapi/schemas.ts';
import { countLimits } from './count-limits.ts';
import { checkRange, endOfRange, readFilter } from './event-filters.ts';

const MOST_WEEKS = 53;
/** The default range. */
const USUAL_WEEKS = 8;
const DAYS_A_WEEK = 7;
/** The memory of one step of reading; memory for the users is reserved as they are found. */
const RETURNING_BYTES = 3_000_000;

const QUERY = Type.Object({
  ...FILTERS,
  from: Type.Optional({
    ...Moment,
    description: `By the timestamp of the event, inclusive; default: the week of \`to\` and the ${USUAL_WEEKS - 1} weeks before.`,
  }),
  to: Type.Optional({
    ...Moment,
    description: `By the timestamp of the event, exclusive; default: now. At most ${MOST_WEEKS} weeks.`,
  }),
  timeZone: Type.Optional(
    Type.String({
      default: 'UTC',
      description: 'The time zone in which weeks start on Monday at midnight, such as `Europe/Berlin`.',
    }),
  ),
});
const GET_RETURNING: FastifySchema = {
  operationId: 'getReturningUsers',
  tags: ['Reading'],
  summary: 'How many users return, by week',
  description: `Users by the week of their first event in the range, and how many of them have events in each of the weeks after. By the timestamps of the events. Counts are exact. ${PAYLOAD_FILTERS}`,
  querystring: QUERY,
  response: answers.read(
    { 200: json('The users of each week.', ref('ReturningUsers')) },
    'invalid_query',
    'too_many_events',
    'store_unavailable',
  ),
};

export interface ReturningRoutesOptions {
  store: EventStore;
  clock: Pick<Clock, 'date'>;
}

/** How many users return, by week. */
export async function returningRoutes(
  api: FastifyInstance,
  { store, clock }: ReturningRoutesOptions,
): Promise<void> {
  api.get<{ Querystring: QueryString }>(
    '/events/stats/returning',
    { schema: GET_RETURNING, config: { reservesBytes: RETURNING_BYTES, scope: 'read' } },
    async (request, reply) => {
      const { query, timeZone } = readQuery(request, clock.date());
      const cohorts = await countReturning(store, query, countLimits(request, reply));
      return {
        from: new Date(query.from).toISOString(),
        to: new Date(query.to).toISOString(),
        timeZone,
        weeks: cohorts.map(({ start, ...cohort }) => ({ start: new Date(start).toISOString(), ...cohort })),
      };
    },
  );
}

/** @throws ApiError `invalid_query` */
function readQuery({ query }: FastifyRequest<{ Querystring: QueryString }>, now: Date) {
  const reader = new QueryReader(query, QUERY, { takesPayload: true });
  const filter = readFilter(reader);
  const timeZone = readTimeZone(reader);
  const { to = endOfRange(now) } = filter;
  const { from = startOfWeek(mondayOf(to - 1, timeZone).subtract({ weeks: USUAL_WEEKS - 1 }), timeZone) } =
    filter;
  const weeks = weeksIn(from, to, timeZone);
  checkRange(reader.errors, from, to, { length: weeks.length, most: MOST_WEEKS, unit: 'weeks' });
  reader.done();
  const asked: ReturningQuery = { ...filter, from, to, weeks };
  return { query: asked, timeZone };
}

const UTC = 'UTC';

/** @returns UTC, and adds an error, if it is unknown */
function readTimeZone(reader: Pick<QueryReader<typeof QUERY.properties>, 'one' | 'errors'>): string {
  const asked = reader.one('timeZone') ?? UTC;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: asked }).resolvedOptions().timeZone;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    reader.errors.push('timeZone must be the name of a time zone, such as Europe/Berlin or UTC');
    return UTC;
  }
}

/** Where the weeks of a range start, up to one more than allowed. */
function weeksIn(from: number, to: number, timeZone: string): number[] {
  const weeks: number[] = [];
  for (let monday = mondayOf(from, timeZone); weeks.length <= MOST_WEEKS; ) {
    const start = startOfWeek(monday, timeZone);
    if (start >= to) break;
    weeks.push(start);
    monday = monday.add({ days: DAYS_A_WEEK });
  }
  return weeks;
}

function mondayOf(time: number, timeZone: string): Temporal.PlainDate {
  const date = Temporal.Instant.fromEpochMilliseconds(time).toZonedDateTimeISO(timeZone).toPlainDate();
  return date.subtract({ days: date.dayOfWeek - 1 });
}

/** Not always midnight: with some clock changes a day starts later. */
function startOfWeek(monday: Temporal.PlainDate, timeZone: string): number {
  return monday.toZonedDateTime(timeZone).epochMilliseconds;
}
