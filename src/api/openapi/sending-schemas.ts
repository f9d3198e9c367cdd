// Schemas of requests that send events, apart from the events themselves, and of events in other formats.
import type { FastifySchema } from 'fastify';
import Type, { type TSchema } from 'typebox';
import { MAX_ID_LENGTH } from '../../events/event.ts';
import { answers, DateTime, json, Payload, ref } from './schemas.ts';

/** Query parameters and headers of requests that send events. */
export const ACK_QUERY = Type.Object({
  ack: Type.Optional(
    Type.Enum(['durable', 'stored'], {
      description: '`stored` waits until the event can be queried; 202 if it cannot in time.',
    }),
  ),
  dedupe: Type.Optional(
    Type.Enum(['content'], {
      description:
        'Events without an id of their own are stored once by what they contain, so that the same request can be sent again.',
    }),
  ),
  key: Type.Optional(
    Type.String({ description: 'An API key that allows to write and nothing else, for beacons.' }),
  ),
});
export const EVENT_HEADERS = Type.Object({
  prefer: Type.Optional(Type.String({ description: '`wait=SECONDS`: how long to wait for `ack=stored`.' })),
  'idempotency-key': Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: MAX_ID_LENGTH,
      description:
        'Any text instead of an eventId: the same text of the same caller is the same event; of a batch, with the index of each. An eventId counts more.',
    }),
  ),
});

/** As for CloudEvents 1.0 in JSON. */
export const CLOUD_EVENT = Type.Object(
  {
    specversion: Type.Literal('1.0'),
    id: Type.String({ minLength: 1 }),
    source: Type.String({ minLength: 1 }),
    type: Type.String({ minLength: 1 }),
    subject: Type.Optional(Type.String()),
    userid: Type.Optional(Type.String()),
    time: Type.Optional(DateTime),
    data: Type.Optional(Payload),
  },
  // Extensions.
  { additionalProperties: true },
);

/** The members Footfall reads; the whole message is the payload. */
export const SEGMENT_MESSAGE = Type.Object(
  {
    userId: Type.Optional(Type.String()),
    anonymousId: Type.Optional(Type.String()),
    messageId: Type.Optional(Type.String()),
    event: Type.Optional(Type.String()),
  },
  { additionalProperties: true },
);
export const SEGMENT_BATCH = Type.Object({ batch: Type.Array(ref('SegmentMessage')) });
export const SEGMENT_ANSWER = Type.Object({ success: Type.Literal(true) });

/** Bodies by content type. The framework's types allow one schema for all. */
export function bodies(byType: Record<string, TSchema>): FastifySchema['body'] {
  const content = Object.entries(byType).map(([type, schema]) => [type, { schema }]);
  return { content: Object.fromEntries(content) };
}

/** The responses to a batch. @param taken descriptions for a fully accepted batch, by status */
export function batchAnswers(taken: Record<number, string>): Record<number, TSchema> {
  const result = ref('BatchAnswer');
  const own = Object.entries(taken).map(([status, description]) => [status, json(description, result)]);
  const documented = answers.sendEvents(
    Object.fromEntries(own),
    'body_not_array',
    'body_incomplete',
    'batch_empty',
    'batch_too_large',
  );
  const mixed = { 207: json('Some are durable; `results` says which.', result) };
  const refused = Object.entries(documented).map(([status, problem]) => {
    if (!['400', '413', '429', '500'].includes(status)) return [status, problem];
    return [
      status,
      json((problem as { description: string }).description, Type.Union([ref('Problem'), result])),
    ];
  });
  return { ...Object.fromEntries(refused), ...mixed };
}

/** For a path that accepts both one event and a batch. */
export function oneOrMany(taken: Record<number, string>): Record<number, TSchema> {
  const either = Type.Union([ref('Accepted'), ref('BatchAnswer')]);
  return Object.fromEntries(
    Object.entries(taken).map(([status, description]) => [status, json(description, either)]),
  );
}
