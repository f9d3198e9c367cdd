import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify';
import Type from 'typebox';
import { ApiError } from '../../errors.ts';
import { MESSAGE_TYPES, type MessageType } from '../../events/catalog.ts';
import type { NewEvent } from '../../events/event.ts';
import type { BatchResult } from '../../ingest/batch.ts';
import { readBinaryCloudEvent, readCloudEvent } from '../../ingest/cloud-events.ts';
import { readSegmentMessage, sharedByBatch } from '../../ingest/segment.ts';
import { parseJsonBody } from '../../json/json-body.ts';
import { rawMembers } from '../../json/raw-json.ts';
import { answers, anyObject, json, ref } from '../openapi/schemas.ts';
import { ACK_QUERY, batchAnswers, bodies, EVENT_HEADERS, oneOrMany } from '../openapi/sending-schemas.ts';
import { readAcknowledgement } from './acknowledgement.ts';
import type { BatchRoutesOptions } from './batch-routes.ts';
import { acceptElements, batchAnswer, mediaTypeOf, plainStatus } from './batch-routes.ts';
import { readIdentity } from './event-identity.ts';
import type { EventRoutesOptions } from './event-routes.ts';
import { acceptOne } from './event-routes.ts';

/** Segment's own limit for a batch is 500 KB. */
const SEGMENT_BYTES = 4_000_000;
const CLOUD_EVENT = 'application/cloudevents+json';
const CLOUD_EVENTS = 'application/cloudevents-batch+json';

/** Each kind of message has a path, and a short one for browsers. */
const SEGMENT_PATHS: Record<string, MessageType> = Object.fromEntries(
  MESSAGE_TYPES.flatMap((kind) => [
    [`/v1/${kind}`, kind],
    [`/v1/${kind.charAt(0)}`, kind],
  ]),
);
/** With the names that generated clients use. */
const SEGMENT_BATCH_PATHS = {
  '/v1/batch': 'segmentBatch',
  '/v1/b': 'segmentBatchShort',
  '/v1/import': 'segmentImport',
};

const SENT = { querystring: ACK_QUERY, headers: EVENT_HEADERS };

const RECORD_CLOUD_EVENTS: FastifySchema = {
  operationId: 'recordCloudEvents',
  tags: ['Other formats'],
  ...SENT,
  summary: 'CloudEvents 1.0: structured, binary, or a batch',
  body: bodies({
    'application/cloudevents+json': ref('CloudEvent'),
    'application/cloudevents-batch+json': Type.Array(ref('CloudEvent'), { minItems: 1 }),
    'application/json': anyObject('The data of an event whose attributes are in `ce-` headers.'),
    'text/plain': Type.String(),
  }),
  response: {
    ...batchAnswers({}),
    ...oneOrMany({ 201: 'Durable.', 202: 'Durable, and not stored in time.' }),
  },
};

/** @param path marked in the name if it is a short one */
function segmentSchema(path: string, kind: MessageType): FastifySchema {
  const name = kind.charAt(0).toUpperCase() + kind.slice(1);
  return {
    operationId: `segment${name}${path === `/v1/${kind}` ? '' : 'Short'}`,
    tags: ['Other formats'],
    ...SENT,
    summary: `Segment: ${kind}`,
    body: bodies({ 'application/json': ref('SegmentMessage'), 'text/plain': Type.String() }),
    response: answers.sendEvents({ 200: json('Durable.', ref('SegmentAnswer')) }),
  };
}

/** Its libraries look only at the status: anything but 200 means that not everything was accepted. */
function segmentBatchSchema(operationId: string): FastifySchema {
  const { 207: _mixed, ...response } = batchAnswers({});
  return {
    operationId,
    tags: ['Other formats'],
    ...SENT,
    summary: 'Segment: a batch',
    body: bodies({ 'application/json': ref('SegmentBatch'), 'text/plain': Type.String() }),
    response: {
      ...response,
      200: json('All are durable.', ref('SegmentAnswer')),
      202: json('All are durable, and not stored in time.', ref('BatchAnswer')),
    },
  };
}

type FormatRoutesOptions = BatchRoutesOptions & EventRoutesOptions;

/** Events in formats that other clients already send. */
export async function formatRoutes(api: FastifyInstance, options: FormatRoutesOptions): Promise<void> {
  const { maxBodyBytes } = options;
  api.removeAllContentTypeParsers();
  api.addContentTypeParser(
    // Browser libraries send JSON as text, which avoids a CORS preflight.
    ['application/json', CLOUD_EVENT, CLOUD_EVENTS, 'text/plain'],
    { parseAs: 'buffer' },
    async (_request: FastifyRequest, body: Buffer) => body,
  );
  api.addContentTypeParser('*', { parseAs: 'buffer' }, async (request: FastifyRequest, body: Buffer) => {
    if (isJson(mediaTypeOf(request))) return body;
    throw new ApiError('unsupported_media_type');
  });
  const one = { reservesBytes: maxBodyBytes, acceptsEvents: 'one', scope: 'write' } as const;
  const many = { reservesBytes: SEGMENT_BYTES, acceptsEvents: 'many', scope: 'write' } as const;
  const bodyLimit = Math.max(SEGMENT_BYTES, maxBodyBytes);

  api.post<{ Body: Buffer | undefined }>(
    '/cloudevents',
    { schema: RECORD_CLOUD_EVENTS, config: many, bodyLimit },
    (request, reply) => takeCloudEvents(request, reply, options),
  );
  for (const [path, kind] of Object.entries(SEGMENT_PATHS)) {
    api.post<{ Body: Buffer | undefined }>(
      path,
      { schema: segmentSchema(path, kind), config: { ...one, namesErrors: true } },
      async (request, reply) => {
        const read = () => {
          const body = parseJsonBody(request.body);
          const identify = readIdentity(request, { isMany: false });
          const message = readSegmentMessage(body, kind, options.catalog, request.caller?.name);
          return identify(message, body.text);
        };
        await acceptOne(read, request, reply, options);
        return reply.code(200).send({ success: true });
      },
    );
  }
  for (const [path, operationId] of Object.entries(SEGMENT_BATCH_PATHS)) {
    const schema = segmentBatchSchema(operationId);
    const config = { ...many, namesErrors: true };
    api.post<{ Body: Buffer | undefined }>(path, { schema, config, bodyLimit }, (request, reply) =>
      takeSegmentBatch(request, reply, options),
    );
  }
}

/**
 * Data of binary CloudEvents may be any JSON type, and is JSON by default. RudderStack's Node library declares its JSON
 * as a form.
 */
function isJson(type: string): boolean {
  return type === '' || type === 'application/x-www-form-urlencoded' || /[/+]json$/.test(type);
}

type BodyRequest = FastifyRequest<{ Body: Buffer | undefined }>;

async function takeCloudEvents(request: BodyRequest, reply: FastifyReply, options: FormatRoutesOptions) {
  const { catalog } = options;
  const caller = request.caller?.name;
  const acknowledgement = readAcknowledgement(request);
  const type = mediaTypeOf(request);
  // Each has an id: the request's other identity parameters are only validated.
  readIdentity(request, { isMany: type === CLOUD_EVENTS });
  if (type === CLOUD_EVENTS) {
    const results = await acceptAll(request, request.body, options, (element) =>
      readCloudEvent(element, catalog, caller),
    );
    return reply.send(await batchAnswer(results, acknowledgement, reply, options));
  }
  const read = () =>
    type === CLOUD_EVENT
      ? readCloudEvent(parseJsonBody(request.body), catalog, caller)
      : readBinaryCloudEvent(request.headers, request.body, catalog, caller);
  const { json } = await acceptOne(read, request, reply, options);
  return reply.type('application/json; charset=utf-8').send(`{"success":true,"event":${json}}`);
}

async function takeSegmentBatch(request: BodyRequest, reply: FastifyReply, options: FormatRoutesOptions) {
  const acknowledgement = readAcknowledgement(request);
  const body = parseJsonBody(request.body);
  const { text, fields } = body;
  if (!Array.isArray(fields.batch)) {
    throw new ApiError('invalid_event', {
      details: ['batch is required and must be an array of messages'],
    });
  }
  const { catalog } = options;
  const share = sharedByBatch(body, options.batchLimits.bytes);
  const identify = readIdentity(request, { isMany: true });
  const messages = Buffer.from(rawMembers(text).get('batch')!);
  const results = await acceptAll(request, messages, options, (element) =>
    identify(readSegmentMessage(share(element), undefined, catalog, request.caller?.name), element.text),
  );
  // Its libraries treat 207 as success.
  const answer = await batchAnswer(results, acknowledgement, reply, options, plainStatus(429));
  // Segment's own response; its libraries look only at the status.
  if (reply.statusCode === 201) return reply.code(200).send({ success: true });
  return reply.send(answer);
}

async function acceptAll(
  request: FastifyRequest,
  body: Buffer | undefined,
  options: FormatRoutesOptions,
  read: (element: ReturnType<typeof parseJsonBody>) => NewEvent,
): Promise<BatchResult[]> {
  if (body === undefined) throw new ApiError('body_missing');
  return acceptElements([body], request, options, 'array', read, { isResent: true });
}
