// What the routes that read stored events are for, take and answer.
import type { FastifySchema } from 'fastify';
import Type from 'typebox';
import { ORDERS, PAGE_LIMITS } from '../query/processed-routes.ts';
import { INTERVALS, MOST_INTERVALS, TOP_LIMITS } from '../query/stats-routes.ts';
import { answer, answers, DateTime, Digits, json, Nullable, ref } from './schemas.ts';

const Id = Type.String({ minLength: 1, maxLength: 255, pattern: '^[^\\u0000]*$' });
const Cursor = Type.String({ pattern: '^\\d{1,15}$' });
const Moment = Type.Union([Type.String({ format: 'date-time' }), Type.String({ format: 'date' })]);
const DateText = Type.String();
const PAYLOAD_FILTERS =
  '`payload.MEMBER=VALUE` asks for a value in the payload, such as `payload.cart.currency=EUR`; several must all hold.';

const FILTERS = {
  userId: Type.Optional(Id),
  eventType: Type.Optional(
    Type.Array(Id, { maxItems: 50, description: 'May be given more than once: any of them.' }),
  ),
};
const PERIOD = {
  from: Type.Optional({ ...Moment, description: 'By the timestamp of the event, including.' }),
  to: Type.Optional({ ...Moment, description: 'By the timestamp of the event, excluding.' }),
};

const limits = ({ least, most, fallback }: typeof PAGE_LIMITS) =>
  Type.Optional(Type.Integer({ minimum: least, maximum: most, default: fallback }));

export const VALUE_COUNT = Type.Object({ value: Type.String(), events: Type.Integer() });

export const STATS = Type.Object({
  total: Type.Integer(),
  totals: Type.Array(
    Type.Object({
      eventType: Type.String(),
      events: Type.Integer(),
      firstHour: DateTime,
      lastHour: DateTime,
    }),
  ),
  interval: Type.Enum([...INTERVALS]),
  counts: Type.Array(
    Type.Object({
      start: Type.String(),
      events: Type.Object({}, { additionalProperties: { type: 'integer' } }),
    }),
  ),
  activeUsers: Type.Array(Type.Object({ day: DateText, users: Type.Integer() })),
  day: DateText,
  topUsers: Type.Array(ref('ValueCount')),
  topValues: Type.Array(
    Type.Object({
      member: Type.String(),
      values: Type.Array(ref('ValueCount')),
    }),
  ),
});

export const TICKET = Type.Object({ ticket: Type.String(), expiresAt: DateTime });

export const PARTITION = Type.Object({
  partition: Type.Integer(),
  position: Nullable(Digits),
  end: Nullable(Digits),
  lag: Nullable(Type.Integer()),
  oldestWaiting: Nullable({
    ...Type.String(),
    description: 'When the oldest record that is not stored was written.',
  }),
  heldBack: { ...Type.Integer(), description: 'Records that wait for an open transaction to end.' },
  stored: Type.Integer(),
  duplicates: Type.Integer(),
  deadLettered: Type.Integer(),
  lost: Type.Integer(),
  rewound: { ...Type.Integer(), description: 'Offsets that were passed more than once.' },
  unaccounted: {
    ...Type.Integer(),
    description: 'Offsets that were passed and are in no count: look with `npm run verify`.',
  },
});

export const GROUPS = Type.Object({
  groups: Type.Array(
    Type.Object({
      group: Type.String(),
      topic: Type.String(),
      logReachable: Type.Boolean(),
      partitions: Type.Array(ref('Partition')),
    }),
  ),
});

export function readingDocuments(): Record<string, FastifySchema> {
  const tags = ['Reading'];
  return {
    'GET /events/processed': {
      ...{ tags, summary: 'Stored events: all, those that are meant, or a page of them' },
      description: `Without parameters: all, oldest first. With any: a page of those that are meant, in the order of storing; \`Link: rel=next\` is the address of the next, and is there also when the search took too long to fill the page. \`Event-Cursor\` says how far an ascending page has looked; the stream goes on from there. ${PAYLOAD_FILTERS} As NDJSON or CSV and without limit and cursor: all that are meant.`,
      querystring: Type.Object({
        ...FILTERS,
        ...PERIOD,
        order: Type.Optional(Type.Enum([...ORDERS])),
        limit: limits(PAGE_LIMITS),
        cursor: Type.Optional({ ...Cursor, description: 'From the `Link` of an earlier answer.' }),
      }),
      response: answers.read(
        {
          200: answer('A JSON array; one event a line, or CSV, if `Accept` says so.', {
            'application/json': Type.Array(ref('Event')),
            'application/x-ndjson': Type.String(),
            'text/csv': Type.String(),
          }),
        },
        'invalid_query',
        'cursor_reset',
        'store_unavailable',
      ),
    },
    'GET /events/stream': {
      ...{ tags, summary: 'Stored events as they come' },
      description: `Server-sent events: \`data\` is an event, \`id\` its place. Who comes back with \`Last-Event-ID\` misses none and gets none twice. An \`event: reset\` says that the store was in memory and is gone: everything follows anew. ${PAYLOAD_FILTERS}`,
      querystring: Type.Object({
        ...FILTERS,
        after: Type.Optional({
          ...Cursor,
          description: 'Begin behind this id or `Event-Cursor`; 0: with the first event.',
        }),
      }),
      headers: Type.Object({ 'last-event-id': Type.Optional(Cursor) }),
      response: answers.read(
        { 200: answer('A stream without end.', { 'text/event-stream': Type.String() }) },
        'invalid_query',
        'store_unavailable',
      ),
    },
    'POST /events/stream/tickets': {
      ...{ tags, summary: 'A ticket that opens the stream instead of a key, for `EventSource`' },
      description:
        'For a minute; the stream that it opened goes on until the key is gone or may not read any more. Every instance takes it.',
      response: answers.read({ 201: json('It goes into `ticket` of the stream.', ref('StreamTicket')) }),
    },
    'GET /events/stats': {
      ...{ tags, summary: 'Exact counts of stored events' },
      description:
        'By type; by type and hour or day, where there are any; different users by day; users and values of payloads with most events on one day. By the timestamps of the events, in UTC; what came again is not counted again.',
      querystring: Type.Object({
        interval: Type.Optional(Type.Enum([...INTERVALS])),
        from: Type.Optional({
          ...Moment,
          description: 'Of `counts` and `activeUsers`: that hour, including.',
        }),
        to: Type.Optional({
          ...Moment,
          description: `Up to this moment; at most ${MOST_INTERVALS} intervals after \`from\`. Without both: the last 24 hours or 30 days.`,
        }),
        day: Type.Optional({ ...Moment, description: 'Of `topUsers` and `topValues`; today, if not given.' }),
        top: limits(TOP_LIMITS),
      }),
      response: answers.read(
        { 200: json('The counts.', ref('Stats')) },
        'invalid_query',
        'store_unavailable',
      ),
    },
    'GET /consumer-groups': {
      ...{ tags: ['Operations'], summary: 'How far processing is, by partition' },
      description:
        'What is stored, and what the log holds beyond; `lag` is null while the log cannot be asked.',
      response: answers.read(
        { 200: json('Positions, ends and counts.', ref('ConsumerGroups')) },
        'store_unavailable',
      ),
    },
  };
}
