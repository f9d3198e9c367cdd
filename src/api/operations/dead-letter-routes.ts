import { isUtf8 } from 'node:buffer';
import type { FastifyInstance, FastifySchema } from 'fastify';
import Type from 'typebox';
import type { DeadLetters, RedriveChoice, ReplacementRecord } from '../../dead-letters/dead-letters.ts';
import { ApiError } from '../../errors.ts';
import type { Catalog } from '../../events/catalog.ts';
import { decodeEvent, isRejection, isStorable } from '../../events/event.ts';
import { parseJsonBody } from '../../json/json-body.ts';
import type { LogRecord } from '../../log/event-log.ts';
import type { Logger } from '../../observability/logger.ts';
import type { Metrics } from '../../observability/metrics.ts';
import type { DeadLetter } from '../../store/event-store.ts';
import { QueryReader, type QueryString } from '../openapi/query-reader.ts';
import { count } from '../openapi/reading-schemas.ts';
import { answers, Id, json, ref } from '../openapi/schemas.ts';
import { bodies } from '../openapi/sending-schemas.ts';

/** Approximate memory of a page of dead letters, or of their records. */
const PAGE_BYTES = 1_000_000;
const LIMITS = { least: 1, most: 500, fallback: 50 };
const ID_PATTERN = '^[1-9]\\d{0,14}$';
const ID = new RegExp(ID_PATTERN);

const LIST_QUERY = Type.Object({
  limit: count(LIMITS),
  cursor: Type.Optional(
    Type.String({ pattern: ID_PATTERN, description: 'The `next` of an earlier answer.' }),
  ),
  reason: Type.Optional(Id),
  waiting: Type.Optional(Type.Boolean({ description: 'Only those not sent back yet.' })),
});

const LIST_DEAD_LETTERS: FastifySchema = {
  operationId: 'listDeadLetters',
  tags: ['Dead letters'],
  summary: 'Dead letters, newest first',
  querystring: LIST_QUERY,
  response: answers.read(
    { 200: json('A page of them.', ref('DeadLetters')) },
    'invalid_query',
    'store_unavailable',
  ),
};

const GET_DEAD_LETTER: FastifySchema = {
  operationId: 'getDeadLetter',
  tags: ['Dead letters'],
  summary: 'One of them with its record',
  params: Type.Object({ id: Type.String() }),
  response: answers.read(
    { 200: json('Its place, its reason, its bytes.', ref('DeadLetterWithRecord')) },
    'dead_letter_not_found',
    'store_unavailable',
  ),
};

const REDRIVE: FastifySchema = {
  operationId: 'redriveDeadLetters',
  tags: ['Dead letters'],
  summary: 'Send them back to their topic',
  body: bodies({ 'application/json': ref('Redrive') }),
  response: answers.send(
    { 200: json('What came of it.', ref('Redriven')) },
    'invalid_redrive',
    'publish_failed',
    'store_unavailable',
  ),
};

export interface DeadLetterRoutesOptions {
  deadLetters: DeadLetters;
  catalog: Catalog;
  metrics: Pick<Metrics, 'redrives'>;
  logger: Logger;
}

/** Dead letters: list, inspect, redrive. */
export async function deadLetterRoutes(
  api: FastifyInstance,
  { deadLetters, catalog, metrics, logger }: DeadLetterRoutesOptions,
): Promise<void> {
  const config = { reservesBytes: PAGE_BYTES, scope: 'read' } as const;
  api.get<{ Querystring: QueryString }>(
    '/dead-letters',
    { schema: LIST_DEAD_LETTERS, config },
    async (request) => {
      const query = readQuery(request.query);
      const page = await deadLetters.list(query);
      const next = page.length < query.limit ? null : String(page.at(-1)!.id);
      return { deadLetters: page.map(describe), next };
    },
  );

  api.get<{ Params: { id: string } }>(
    '/dead-letters/:id',
    { schema: GET_DEAD_LETTER, config },
    async (request) => {
      const found = ID.test(request.params.id) ? await deadLetters.get(Number(request.params.id)) : undefined;
      if (found === undefined) throw new ApiError('dead_letter_not_found');
      return {
        ...describe(found.letter),
        record: found.record === undefined ? null : describeRecord(found.record),
      };
    },
  );

  api.post<{ Body: Buffer | undefined }>(
    '/dead-letters/redrive',
    { schema: REDRIVE, config: { ...config, scope: 'admin' } },
    async (request) => {
      const { choice, replacement } = parseRedrive(request.body, catalog);
      const redriven = await deadLetters.redrive(choice, replacement);
      metrics.redrives.inc();
      const key = request.caller?.name;
      const hasReplacement = replacement !== undefined;
      logger.info({ key, ...choice, hasReplacement, address: request.ip }, '[API] Dead letters sent back');
      return { success: true, ...redriven };
    },
  );
}

/** @throws ApiError `invalid_query` */
function readQuery(query: QueryString) {
  const reader = new QueryReader(query, LIST_QUERY);
  const limit = reader.integer('limit');
  const cursor = reader.matching('cursor', 'the "next" of an earlier answer');
  const reason = reader.text('reason');
  const waiting = reader.flag('waiting');
  reader.done();
  return { limit, waiting, before: cursor === undefined ? undefined : Number(cursor), reason };
}

/** @throws ApiError `invalid_redrive` */
function parseRedrive(
  body: Buffer | undefined,
  catalog: Catalog,
): { choice: RedriveChoice; replacement?: ReplacementRecord } {
  const { ids, all, reason, value, ...unknown } = parseJsonBody(body).fields;
  const isKnown = Object.keys(unknown).length === 0;
  const areIds = Array.isArray(ids) && ids.every((id) => typeof id === 'string' && ID.test(id));
  if (isKnown && areIds && all === undefined && reason === undefined) {
    const choice = { ids: ids.map(Number) };
    if (value === undefined) return { choice };
    if (ids.length === 1 && typeof value === 'string')
      return { choice, replacement: readReplacement(value, catalog) };
  }
  const isReason =
    reason === undefined || (typeof reason === 'string' && reason !== '' && isStorable(reason));
  if (isKnown && all === true && ids === undefined && value === undefined && isReason) {
    return { choice: reason === undefined ? {} : { reason } };
  }
  throw new ApiError('invalid_redrive', {
    details: [
      'send {"ids": ["1", "2"]} with ids of GET /dead-letters, or {"ids": ["1"], "value": "the corrected event"}, or {"all": true}, or {"all": true, "reason": "not-json"}',
    ],
  });
}

/** Rejects a record that would be dead-lettered again. The key follows the user, as for every event. */
function readReplacement(value: string, catalog: Catalog): ReplacementRecord {
  const decoded = decodeEvent(Buffer.from(value), catalog);
  if (isRejection(decoded)) {
    throw new ApiError('invalid_redrive', {
      details: [`value is not a valid event: ${decoded.detail}`],
    });
  }
  return { key: decoded.userId, value };
}

/** Ids and offsets are strings: they may exceed what some JSON readers hold in a number. */
function describe({
  id,
  topic,
  partition,
  offset,
  reason,
  detail,
  attempt,
  deadLetteredAt,
  redrivenAt,
}: DeadLetter) {
  return {
    id: String(id),
    topic,
    partition,
    offset: String(offset),
    reason,
    detail,
    attempt,
    deadLetteredAt,
    redrivenAt,
  };
}

/** Bytes as text if they are UTF-8, else Base64, with the encoding stated. */
function describeRecord({ key, value, headers }: LogRecord) {
  return {
    key: bytes(key),
    value: bytes(value),
    headers: headers.map(([name, content]) => ({ name, value: bytes(content) })),
  };
}

function bytes(content: Buffer | null) {
  if (content === null) return null;
  return isUtf8(content) ? { text: content.toString('utf8') } : { base64: content.toString('base64') };
}
