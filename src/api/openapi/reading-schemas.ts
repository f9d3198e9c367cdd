// Schemas of the queries and responses of reading routes.
import Type from 'typebox';
import { ERRORS } from '../../errors.ts';
import { DateTime, Digits, Id, Nullable, ref } from './schemas.ts';

export const INTERVALS = ['hour', 'day'] as const;
export const Cursor = Type.String({ pattern: '^\\d{1,15}$' });
export const Moment = Type.Union([Type.String({ format: 'date-time' }), Type.String({ format: 'date' })]);
/** For who comes back for what is new. */
export const AfterId = Type.Optional({
  ...Cursor,
  description: 'Only ids above this, of the same `process`.',
});
const DateText = Type.String();
export const PAYLOAD_FILTERS = `\`payload.MEMBER=VALUE\` asks for a value in the payload, such as \`payload.cart.currency=EUR\`; several must all hold. \`payload.MEMBER[OPERATOR]=VALUE\` asks for more than equality: \`ne\` (the member is there, with another value), \`contains\` (a text with this in it), \`gt\`, \`gte\`, \`lt\`, \`lte\`, \`exists\` (\`true\` or \`false\`), and \`scalar\` (\`true\`: a text, number, boolean or null is there; \`false\`: no such member, or a list or an object). Compared with a number are numbers, exactly, however many digits they have; with a date or time, dates and times; with other texts, all texts. Only the last brackets are an operator: \`payload.a[gt][eq]=VALUE\` asks for the value of a member \`a[gt]\`.`;

const MAX_TYPES = 50;

export const FILTERS = {
  userId: Type.Optional(Id),
  eventType: Type.Optional(
    Type.Array(Id, { maxItems: MAX_TYPES, description: 'May be given more than once: any of them.' }),
  ),
};
export const PERIOD = {
  from: Type.Optional({ ...Moment, description: 'By the timestamp of the event, including.' }),
  to: Type.Optional({ ...Moment, description: 'By the timestamp of the event, excluding.' }),
};

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
  otherTypes: Type.Object(
    { types: Type.Integer(), events: Type.Integer() },
    { description: 'Where there are very many types: those that are not listed, together.' },
  ),
  interval: Type.Enum([...INTERVALS]),
  counts: Type.Array(
    Type.Object({
      start: Type.String(),
      events: Type.Object({}, { additionalProperties: { type: 'integer' } }),
      others: { ...Type.Integer(), description: 'Events of types that are not listed.' },
    }),
  ),
  activeUsers: Type.Array(Type.Object({ day: DateText, users: Type.Integer() })),
  keptFrom: Nullable({
    ...DateText,
    description: 'Before this day, events of some type are not kept; null: all are.',
  }),
  day: DateText,
  topUsers: Type.Array(ref('ValueCount')),
  topValues: Type.Array(
    Type.Object({
      member: Type.String(),
      values: Type.Array(ref('ValueCount')),
    }),
  ),
});

export const SUGGESTIONS = Type.Object({
  values: Type.Array(
    Type.Object({
      value: Type.String(),
      events: Type.Optional({
        ...Type.Integer(),
        description: 'How many of the latest events have it; only where they were searched.',
      }),
    }),
  ),
  latestEvents: Nullable({
    ...Type.Integer(),
    description: 'The values are among this many of the latest events; null: among all there have ever been.',
  }),
});

const IntervalCounts = Type.Array(Type.Integer(), {
  description:
    'Events of each interval from `from` on; the first and the last may be cut by `from` and `to`.',
});
const Previous = Type.Optional({ ...Type.Integer(), description: 'With `compare`: in the previous period.' });
export const EVENT_SERIES = Type.Object({
  from: DateTime,
  to: DateTime,
  interval: Type.String(),
  by: Nullable(Type.String()),
  total: Type.Integer(),
  series: Type.Array(
    Type.Object({
      value: Nullable({
        ...Type.String(),
        description:
          'Null for events without such a value, which `payload.MEMBER[scalar]=false` finds; without `by`, for the one series of all events.',
      }),
      events: Type.Integer(),
      previous: Previous,
      counts: IntervalCounts,
    }),
    { description: 'In descending order of `events`.' },
  ),
  others: Type.Object(
    { values: Type.Integer(), events: Type.Integer(), previous: Previous, counts: IntervalCounts },
    { description: 'All values that are not listed, together.' },
  ),
  previous: Type.Optional(
    Type.Object(
      {
        from: Type.String(),
        to: DateTime,
        total: Type.Integer(),
        counts: {
          ...Type.Array(Type.Integer()),
          description: 'Of the same intervals, moved back by the length of the period.',
        },
      },
      { description: 'With `compare`.' },
    ),
  ),
});

const ProcessId = {
  ...Type.String(),
  description: 'Which process keeps this list. Ids of another, or of before a start, mean nothing here.',
};

export const DUPLICATE_EVENTS = Type.Object({
  process: ProcessId,
  events: Type.Array(
    Type.Object({
      id: Digits,
      receivedAt: DateTime,
      foundAt: Type.Enum(['intake', 'processing'], {
        description: 'Before it was appended, or when it was processed: then it may also be a conflict.',
      }),
      eventId: Type.String(),
      userId: Type.String(),
      eventType: Type.String(),
      caller: Nullable(Type.String()),
    }),
  ),
  next: Nullable(Digits),
});

export const USER_STATS = Type.Object({
  userId: Type.String(),
  events: Type.Integer(),
  first: Nullable(DateTime),
  latest: Nullable(DateTime),
});

export const REJECTED_EVENT = Type.Object({
  id: Digits,
  rejectedAt: DateTime,
  caller: Nullable(Type.String()),
  code: Type.Enum(Object.keys(ERRORS)),
  path: { ...Type.String(), description: 'Where it was sent.' },
  errors: Type.Array(Type.String()),
  body: Nullable({ ...Type.String(), description: 'What was sent; null where it was not read or not kept.' }),
  truncated: { ...Type.Boolean(), description: 'Whether `body` is only the beginning of it.' },
});
export const REJECTED_EVENTS = Type.Object({
  process: ProcessId,
  events: Type.Array(ref('RejectedEvent')),
  next: Nullable(Digits),
});

const Figure = (description: string) => Nullable({ ...Type.Number(), description });
export const METRICS_HISTORY = Type.Object({
  samples: Type.Array(
    Type.Object({
      at: DateTime,
      written: Figure('Records written to the topic a second, by whichever instance.'),
      processed: Figure('Records processed a second, by whichever instance of the group.'),
      rejected: Figure('Events and requests this instance refused a second.'),
      lag: Figure('Records that are not stored.'),
      lagSeconds: Figure('Age of the oldest of them.'),
      appendSeconds: Figure('99 % of appends to the log took at most this long.'),
      storeSeconds: Figure('99 % of batches were stored in at most this time.'),
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
  expired: { ...Type.Integer(), description: 'Events that were too old to be kept.' },
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
      members: Nullable(
        Type.Array(
          Type.Object({ id: Type.String(), host: Type.String(), partitions: Type.Array(Type.Integer()) }),
          { description: 'The processes that read as part of the group; null if the log does not say.' },
        ),
      ),
      partitions: Type.Array(ref('Partition')),
    }),
  ),
});

/** @param limits the allowed range and the default */
export function count({ least, most, fallback }: Record<'least' | 'most' | 'fallback', number>) {
  return Type.Optional(Type.Integer({ minimum: least, maximum: most, default: fallback }));
}

const Days = Type.Integer({ minimum: 1 });

export const RETENTION = Type.Object({
  retentionDays: Nullable({ ...Days, description: 'For types without days of their own; null: for good.' }),
  types: Type.Array(
    Type.Object({
      eventType: Type.String(),
      retentionDays: Nullable(Days),
      keepsFrom: Nullable({ ...DateText, description: 'Events of earlier days are to go.' }),
      events: { ...Type.Integer(), description: 'How many are stored.' },
      expired: { ...Type.Integer(), description: 'How many of them are to go, or would.' },
    }),
  ),
  keptFrom: Nullable({
    ...DateText,
    description:
      'Before this day, events of some type are gone for good, and no such event is stored; null: all are kept.',
  }),
});
