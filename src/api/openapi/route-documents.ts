// What each route is for, takes and answers: one entry for every route there is, or the service does not start.
import type { FastifySchema } from 'fastify';
import Type, { type TSchema } from 'typebox';
import { SEGMENT_BATCH_PATHS, SEGMENT_PATHS } from '../ingest/format-routes.ts';
import { readingDocuments } from './reading-documents.ts';
import { answer, answers, anyObject, json, ref } from './schemas.ts';
import * as sending from './sending-schemas.ts';

const JSON_TYPE = 'application/json';

/** Bodies by content type. The framework's types know one schema for all. */
function bodies(byType: Record<string, TSchema>): FastifySchema['body'] {
  const content = Object.entries(byType).map(([type, schema]) => [type, { schema }]);
  return { content: Object.fromEntries(content) };
}

const TEXT = Type.String();
const ID = Type.Object({ id: Type.String() });

/** By method and path. */
export function routeDocuments(): Record<string, FastifySchema> {
  return {
    ...eventDocuments(),
    ...readingDocuments(),
    ...formatDocuments(),
    ...deadLetterDocuments(),
    ...operationsDocuments(),
  };
}

function eventDocuments(): Record<string, FastifySchema> {
  const tags = ['Events'];
  return {
    'POST /events/generate': {
      ...{
        tags,
        summary: 'Record one event',
        querystring: sending.ACK_QUERY,
        headers: sending.EVENT_HEADERS,
      },
      description: 'Answers once the event is durable. Where it is in the log is in `Event-` headers.',
      body: bodies({ [JSON_TYPE]: ref('NewEvent') }),
      response: answers.sendEvents({
        201: json('Durable; with `ack=stored`: it can be queried.', ref('Accepted')),
        202: json('Durable, and not stored in the time that was waited.', ref('Accepted')),
      }),
    },
    'POST /events/batch': {
      ...{
        tags,
        summary: 'Record many events',
        querystring: sending.ACK_QUERY,
        headers: sending.EVENT_HEADERS,
      },
      description:
        'A JSON array, or one event a line, read as it arrives. One at fault does not touch its neighbours. Events with an eventId can be sent again as often as need be.',
      body: bodies({
        [JSON_TYPE]: Type.Array(ref('BatchEvent'), { minItems: 1 }),
        'application/x-ndjson': Type.String({ description: 'One event a line.' }),
        'application/jsonl': Type.String({ description: 'One event a line.' }),
        'application/ndjson': Type.String({ description: 'One event a line.' }),
        'text/plain': Type.String({ description: 'Either of them, as `navigator.sendBeacon` sends it.' }),
      }),
      response: batchAnswers({
        201: 'All are durable.',
        202: 'All are durable, and not stored in the time that was waited.',
      }),
    },
    'GET /events/:eventId': {
      ...{
        tags,
        summary: 'One event, and what became of it',
        params: Type.Object({ eventId: Type.String() }),
        querystring: Type.Object({
          caller: Type.Optional(
            Type.String({ description: 'Only one that this caller sent under an eventId of its choice.' }),
          ),
        }),
      },
      response: answers.read(
        { 200: json('The event and its state.', ref('EventState')) },
        'invalid_query',
        'event_not_found',
        'store_unavailable',
      ),
    },
    'GET /event-types': {
      ...{ tags, summary: 'The event catalogue' },
      response: answers.read({ 200: json('Every type with its schemas.', ref('EventTypes')) }),
    },
  };
}

function batchAnswers(taken: Record<number, string>): Record<number, TSchema> {
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

function formatDocuments(): Record<string, FastifySchema> {
  const tags = ['Other formats'];
  const query = { querystring: sending.ACK_QUERY, headers: sending.EVENT_HEADERS };
  const segment = Object.fromEntries(
    Object.entries(SEGMENT_PATHS).map(([path, kind]) => [
      `POST ${path}`,
      {
        ...{ tags, ...query, summary: `Segment: ${kind}` },
        body: bodies({ [JSON_TYPE]: ref('SegmentMessage'), 'text/plain': TEXT }),
        response: answers.sendEvents({ 200: json('Durable.', ref('SegmentAnswer')) }),
      },
    ]),
  );
  const batch = batchAnswers({});
  return {
    'POST /cloudevents': {
      ...{ tags, ...query, summary: 'CloudEvents 1.0: structured, binary, or a batch' },
      body: bodies({
        'application/cloudevents+json': ref('CloudEvent'),
        'application/cloudevents-batch+json': Type.Array(ref('CloudEvent'), { minItems: 1 }),
        [JSON_TYPE]: anyObject('The data of an event whose attributes are in `ce-` headers.'),
        'text/plain': TEXT,
      }),
      response: { ...batch, ...oneOrMany({ 201: 'Durable.', 202: 'Durable, and not stored in time.' }) },
    },
    ...segment,
    ...Object.fromEntries(SEGMENT_BATCH_PATHS.map((path) => [`POST ${path}`, segmentBatch(query)])),
  };
}

/** Its libraries look at the status alone: anything but 200 says that not all was taken. */
function segmentBatch(query: Pick<FastifySchema, 'querystring' | 'headers'>): FastifySchema {
  const { 207: _mixed, ...response } = batchAnswers({});
  return {
    tags: ['Other formats'],
    ...query,
    summary: 'Segment: a batch',
    body: bodies({ [JSON_TYPE]: ref('SegmentBatch'), 'text/plain': TEXT }),
    response: {
      ...response,
      200: json('All are durable.', ref('SegmentAnswer')),
      202: json('All are durable, and not stored in time.', ref('BatchAnswer')),
    },
  };
}

/** For one event and a batch at the same path. */
function oneOrMany(taken: Record<number, string>): Record<number, TSchema> {
  const either = Type.Union([ref('Accepted'), ref('BatchAnswer')]);
  return Object.fromEntries(
    Object.entries(taken).map(([status, description]) => [status, json(description, either)]),
  );
}

function deadLetterDocuments(): Record<string, FastifySchema> {
  const tags = ['Dead letters'];
  const query = Type.Object({
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 50 })),
    cursor: Type.Optional(
      Type.String({ pattern: '^[1-9]\\d{0,14}$', description: 'The `next` of an earlier answer.' }),
    ),
    reason: Type.Optional(Type.String()),
    waiting: Type.Optional(Type.Boolean({ description: 'Only those not sent back yet.' })),
  });
  return {
    'GET /dead-letters': {
      ...{ tags, summary: 'Records that are no events, newest first', querystring: query },
      response: answers.read(
        { 200: json('A page of them.', ref('DeadLetters')) },
        'invalid_query',
        'store_unavailable',
      ),
    },
    'GET /dead-letters/:id': {
      ...{ tags, summary: 'One of them with its record', params: ID },
      response: answers.read(
        { 200: json('Its place, its reason, its bytes.', ref('DeadLetterWithRecord')) },
        'dead_letter_not_found',
        'store_unavailable',
      ),
    },
    'POST /dead-letters/redrive': {
      ...{ tags, summary: 'Send them back to their topic', body: bodies({ [JSON_TYPE]: ref('Redrive') }) },
      response: answers.send(
        { 200: json('What came of it.', ref('Redriven')) },
        'invalid_redrive',
        'publish_failed',
        'store_unavailable',
      ),
    },
  };
}

function operationsDocuments(): Record<string, FastifySchema> {
  const tags = ['Operations'];
  return {
    'GET /health': {
      ...{ tags, summary: 'Whether events are taken and stored just now' },
      response: answers.open({
        200: json('They are.', ref('Health')),
        503: json('They are not.', Type.Union([ref('Health'), ref('Problem')])),
      }),
    },
    'GET /livez': {
      ...{ tags, summary: 'Whether the process runs' },
      response: answers.open({ 200: json('It does.', Type.Object({ status: Type.Literal('alive') })) }),
    },
    'GET /readyz': {
      ...{ tags, summary: 'Whether log, store and consumer work, each with its reason' },
      response: answers.open({
        200: json('They do.', ref('Readiness')),
        503: json('One does not.', Type.Union([ref('Readiness'), ref('Problem')])),
      }),
    },
    'GET /metrics': {
      ...{ tags, summary: 'Metrics in the format of Prometheus' },
      response: answers.read({ 200: answer('All of them.', { 'text/plain': TEXT }) }),
    },
    'GET /openapi.json': {
      ...{ tags: ['Documents'], summary: 'This document' },
      response: answers.open({ 200: json('OpenAPI 3.1.', anyObject()) }),
    },
    'GET /asyncapi.json': {
      ...{ tags: ['Documents'], summary: 'The topics and what is in them' },
      response: answers.open({ 200: json('AsyncAPI 3.0.', anyObject()) }),
    },
  };
}
