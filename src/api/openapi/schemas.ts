// Schemas of requests and responses. The documents at /openapi.json and /asyncapi.json are built from them, the fuzzer
// works from them, and tests compare them with what the code accepts.
import Type, { type TSchema } from 'typebox';
import { ERRORS, type ErrorCode } from '../../errors.ts';
import { MODES } from '../../events/catalog.ts';
import { MAX_ID_LENGTH } from '../../events/event.ts';

const UUID = Type.String({ format: 'uuid' });
export const DateTime = Type.String({ format: 'date-time' });
/** An object with arbitrary members. Without this, generated types allow none. */
export const anyObject = (description?: string): TSchema =>
  Type.Object({}, { additionalProperties: true, ...(description && { description }) });
export const Payload = anyObject('Kept byte for byte as it was sent.');
/** Offsets and ids may exceed what some JSON readers hold in a number. */
export const Digits = Type.String({ pattern: '^\\d+$' });
/** Refers to a schema of `components.ts` by name. */
export const ref = (name: string): TSchema => Type.Unsafe({ $ref: `${name}#` });
export const Nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

/** A name or id that can be stored and searched. */
export const Id = Type.String({ minLength: 1, maxLength: MAX_ID_LENGTH, pattern: '^[^\\u0000]*$' });
const UserId = Type.Unsafe({
  ...Id,
  description: 'Events of one user are kept in the order in which they were accepted.',
});

/** @param eventTypes the known names; undefined if any name is accepted */
function eventType(eventTypes: readonly string[] | undefined): TSchema {
  if (eventTypes) return Type.Enum([...eventTypes]);
  return Id;
}

/** The body of `POST /events/generate`. */
export function newEventSchema(eventTypes: readonly string[] | undefined): TSchema {
  return Type.Object({
    userId: UserId,
    eventType: eventType(eventTypes),
    payload: Type.Optional(Payload),
    eventId: Type.Optional({ ...UUID, description: 'Sent again, it is stored once.' }),
  });
}

/** An element of a batch. */
export function batchEventSchema(eventTypes: readonly string[] | undefined): TSchema {
  const { properties } = newEventSchema(eventTypes) as unknown as { properties: Record<string, TSchema> };
  return Type.Object({
    ...properties,
    timestamp: Type.Optional({ ...DateTime, description: 'When it happened; else when it was accepted.' }),
  });
}

/** An event as stored in the log and in the store. */
export const EVENT = Type.Object({
  eventId: Type.String(),
  userId: Type.String(),
  eventType: Type.String(),
  timestamp: Type.String(),
  payload: Payload,
  attributes: Type.Optional(anyObject('Of a CloudEvent: all it has beside its data, as it was sent.')),
});

export const ACCEPTED = Type.Object({ success: Type.Literal(true), event: ref('Event') });

export const BATCH_RESULT = Type.Object({
  index: Type.Integer(),
  status: Type.Integer(),
  eventId: Type.Optional(UUID),
  partition: Type.Optional(Type.Integer()),
  offset: Type.Optional(Digits),
  duplicate: Type.Optional(Type.Enum(['same'])),
  warnings: Type.Optional(Type.Array(Type.String())),
  code: Type.Optional(Type.Enum(Object.keys(ERRORS))),
  retryable: Type.Optional(Type.Boolean()),
  errors: Type.Optional(Type.Array(Type.String())),
});

/** For routes with `namesErrors`. */
const ERROR_NAME = {
  code: Type.Optional(
    Type.String({ description: "As in `Error-Code`. Only of routes for Segment's libraries." }),
  ),
  message: Type.Optional(Type.String({ description: 'All of it in one text. Only of the same routes.' })),
};

export const BATCH_ANSWER = Type.Object({
  success: Type.Boolean(),
  accepted: Type.Integer(),
  rejected: Type.Integer(),
  results: Type.Array(ref('BatchResult')),
  ...ERROR_NAME,
});

export const EVENT_STATE = Type.Object({
  state: Type.Enum(['stored', 'pending', 'dead-lettered']),
  partition: Nullable(Type.Integer()),
  offset: Nullable(Digits),
  storedAt: Type.Optional(Nullable(DateTime)),
  duplicates: Type.Optional(Type.Integer()),
  conflicts: Type.Optional(Type.Integer()),
  caller: Type.Optional({
    ...Type.String(),
    description: 'Who sent it, where its eventId is its caller’s choice and callers have names.',
  }),
  callers: Type.Optional({
    ...Type.Array(Nullable(Type.String())),
    description: 'All who have sent an event with this eventId, where there are several; ask with `caller`.',
  }),
  deadLetterId: Type.Optional(Digits),
  reason: Type.Optional(Type.String()),
  detail: Type.Optional(Type.String()),
  event: Nullable(ref('Event')),
});

export const EVENT_TYPE = Type.Object({
  eventType: Type.String(),
  mode: Type.Enum([...MODES]),
  retentionDays: Type.Optional({
    ...Type.Integer({ minimum: 1 }),
    description: 'For how many days its events are kept; missing: for good.',
  }),
  versions: Type.Array(Type.Object({ version: Type.Integer(), schema: anyObject() })),
});
export const EVENT_TYPES = Type.Object({
  allowsOtherTypes: Type.Boolean(),
  eventTypes: Type.Array(ref('EventType')),
});

const DEAD_LETTER_MEMBERS = {
  id: Digits,
  topic: Type.String(),
  partition: Type.Integer(),
  offset: Digits,
  reason: Type.String(),
  detail: Type.String(),
  attempt: Type.Integer(),
  deadLetteredAt: DateTime,
  redrivenAt: Nullable(DateTime),
};
export const DEAD_LETTER = Type.Object(DEAD_LETTER_MEMBERS);
export const DEAD_LETTERS = Type.Object({
  deadLetters: Type.Array(ref('DeadLetter')),
  next: Nullable(Digits),
});

/** UTF-8 is represented as text, anything else as Base64. */
export const BYTES = Type.Union([
  Type.Object({ text: Type.String() }),
  Type.Object({ base64: Type.String() }),
]);
const Bytes = Nullable(ref('Bytes'));
export const RECORD = Type.Object({
  key: Bytes,
  value: Bytes,
  headers: Type.Array(Type.Object({ name: Type.String(), value: Bytes })),
});
export const DEAD_LETTER_WITH_RECORD = Type.Object({
  ...DEAD_LETTER_MEMBERS,
  record: Nullable(ref('LogRecord')),
});

const IDS = Type.Array(Type.String({ pattern: '^[1-9]\\d{0,14}$' }));
export const REDRIVE = Type.Union([
  Type.Object({ ids: IDS }, { additionalProperties: false }),
  Type.Object(
    {
      ids: Type.Array(IDS.items, { minItems: 1, maxItems: 1 }),
      value: Type.String({ description: 'The corrected event, as JSON text.' }),
    },
    { additionalProperties: false },
  ),
  Type.Object({ all: Type.Literal(true), reason: Type.Optional(Id) }, { additionalProperties: false }),
]);
export const REDRIVEN = Type.Object({
  success: Type.Literal(true),
  redriven: Type.Integer(),
  skipped: Type.Integer(),
  missing: Type.Array(Type.String()),
});

export const HEALTH = Type.Object({
  status: Type.Enum(['healthy', 'degraded']),
  producer: Type.Enum(['connected', 'disconnected']),
  consumer: Type.Enum(['connected', 'disconnected']),
});

export const DEPENDENCY = Type.Object({ ok: Type.Boolean(), reason: Type.Optional(Type.String()) });
export const READINESS = Type.Object({
  status: Type.Enum(['ready', 'not ready', 'stopping']),
  log: ref('Dependency'),
  store: ref('Dependency'),
  consumer: ref('Dependency'),
});

export const PROBLEM = Type.Object(
  {
    success: Type.Literal(false),
    error: Type.Optional(Type.String()),
    errors: Type.Optional(Type.Array(Type.String())),
    ...ERROR_NAME,
  },
  { description: '`errors` says what is wrong with an event or a query; else there is one `error`.' },
);

/** Responses possible for any request. */
const ALWAYS: ErrorCode[] = ['bad_request', 'request_timeout', 'headers_too_large', 'internal_error'];
/** Additional responses to requests for events. */
const GUARDED: ErrorCode[] = ['unauthorized', 'forbidden', 'origin_not_allowed', 'overloaded'];
/** Additional responses to requests with a body. */
const SENT: ErrorCode[] = [
  'body_missing',
  'body_not_json',
  'body_not_object',
  'body_too_large',
  'unsupported_media_type',
  'unsupported_encoding',
];
/** Additional responses to requests that send events. */
const EVENTS_SENT: ErrorCode[] = [
  'invalid_event',
  'invalid_query',
  'id_conflict',
  'event_removed',
  'record_refused',
  'rate_limited',
  'publish_failed',
];

type Responses = Record<number, TSchema>;

function problems(codes: readonly ErrorCode[]): Responses {
  return Object.fromEntries(
    [...Map.groupBy(codes, (code) => ERRORS[code].status)].map(([status, own]) => [
      status,
      json(own.map((code) => `\`${code}\`: ${ERRORS[code].message}`).join('\n\n'), ref('Problem')),
    ]),
  );
}

/** A response by content type. */
export function answer(description: string, byType: Record<string, TSchema>): TSchema {
  return {
    description,
    content: Object.fromEntries(Object.entries(byType).map(([type, schema]) => [type, { schema }])),
  };
}

export const json = (description: string, schema: TSchema) =>
  answer(description, { 'application/json': schema });
/** The error responses of a kind of route, plus its own. */
export const answers = {
  open: (own: Responses): Responses => ({ ...problems(ALWAYS), ...own }),
  read: (own: Responses, ...codes: ErrorCode[]): Responses => ({
    ...problems([...ALWAYS, ...GUARDED, ...codes]),
    ...own,
  }),
  send: (own: Responses, ...codes: ErrorCode[]): Responses => ({
    ...problems([...ALWAYS, ...GUARDED, ...SENT, ...codes]),
    ...own,
  }),
  sendEvents: (own: Responses, ...codes: ErrorCode[]): Responses => ({
    ...problems([...ALWAYS, ...GUARDED, ...SENT, ...EVENTS_SENT, ...codes]),
    ...own,
  }),
};
