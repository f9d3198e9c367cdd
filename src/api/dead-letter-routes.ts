import { isUtf8 } from 'node:buffer';
import type { FastifyInstance } from 'fastify';
import type { Catalogue } from '../catalogue.ts';
import type { MendedRecord, RedriveChoice } from '../dead-letters.ts';
import { FootfallError } from '../errors.ts';
import { decodeEvent, isRejection } from '../event.ts';
import { parseJsonBody } from '../json-body.ts';
import type { LogRecord } from '../log/event-log.ts';
import type { DeadLetter } from '../store/event-store.ts';
import { QueryReader, type QueryString } from './event-filters.ts';
import type { ApiOptions } from './server.ts';

/** What a page of dead letters, or of their records, takes: roughly. */
const PAGE_BYTES = 1_000_000;
const LIMITS = { least: 1, most: 500, fallback: 50 };
const ID = /^[1-9]\d{0,14}$/;

/** What was set aside: list, look, send back. */
export async function deadLetterRoutes(
  api: FastifyInstance,
  { deadLetters, catalogue, metrics, logger }: ApiOptions,
): Promise<void> {
  const config = { holdsBytes: PAGE_BYTES, scope: 'read' } as const;
  api.get<{ Querystring: QueryString }>('/dead-letters', { config }, async (request) => {
    const query = parseQuery(request.query);
    const page = await deadLetters.list(query);
    const next = page.length < query.limit ? null : String(page.at(-1)!.id);
    return { deadLetters: page.map(describe), next };
  });

  api.get<{ Params: { id: string } }>('/dead-letters/:id', { config }, async (request) => {
    const found = ID.test(request.params.id) ? await deadLetters.get(Number(request.params.id)) : undefined;
    if (found === undefined) throw new FootfallError('dead_letter_not_found');
    return {
      ...describe(found.letter),
      record: found.record === undefined ? null : describeRecord(found.record),
    };
  });

  api.post<{ Body: Buffer | undefined }>(
    '/dead-letters/redrive',
    { config: { ...config, scope: 'admin' } },
    async (request) => {
      const { choice, mended } = parseRedrive(request.body, catalogue);
      const redriven = await deadLetters.redrive(choice, mended);
      metrics.redrives.inc();
      const key = request.caller?.name;
      const isMended = mended !== undefined;
      logger.info({ key, ...choice, isMended, address: request.ip }, '[API] Dead letters sent back');
      return { success: true, ...redriven };
    },
  );
}

/** @throws FootfallError `invalid_query` */
function parseQuery(query: QueryString) {
  const reader = new QueryReader(query, ['limit', 'cursor', 'reason', 'waiting'], { takesPayload: false });
  const limit = reader.integer('limit', LIMITS);
  const cursor = reader.one('cursor');
  if (cursor !== undefined && !ID.test(cursor))
    reader.errors.push('cursor must be the "next" of an earlier answer');
  const reason = reader.one('reason');
  const waiting = reader.choice('waiting', ['false', 'true']);
  if (reader.errors.length > 0) throw new FootfallError('invalid_query', { details: reader.errors });
  return {
    limit,
    waiting: waiting === 'true',
    ...(cursor === undefined ? {} : { before: Number(cursor) }),
    ...(reason === undefined ? {} : { reason }),
  };
}

/** @throws FootfallError `invalid_redrive` */
function parseRedrive(
  body: Buffer | undefined,
  catalogue: Catalogue,
): { choice: RedriveChoice; mended?: MendedRecord } {
  const { ids, all, reason, value, ...unknown } = parseJsonBody(body).fields;
  const isKnown = Object.keys(unknown).length === 0;
  const areIds = Array.isArray(ids) && ids.every((id) => typeof id === 'string' && ID.test(id));
  if (isKnown && areIds && all === undefined && reason === undefined) {
    const choice = { ids: ids.map(Number) };
    if (value === undefined) return { choice };
    if (ids.length === 1 && typeof value === 'string') return { choice, mended: mend(value, catalogue) };
  }
  const isReason = reason === undefined || typeof reason === 'string';
  if (isKnown && all === true && ids === undefined && value === undefined && isReason) {
    return { choice: reason === undefined ? {} : { reason } };
  }
  throw new FootfallError('invalid_redrive', {
    details: [
      'send {"ids": ["1", "2"]} with ids of GET /dead-letters, or {"ids": ["1"], "value": "the event, mended"}, or {"all": true}, or {"all": true, "reason": "not-json"}',
    ],
  });
}

/** What would be set aside again is not sent. The key follows the user, as for every event. */
function mend(value: string, catalogue: Catalogue): MendedRecord {
  const decoded = decodeEvent(Buffer.from(value), catalogue);
  if (isRejection(decoded)) {
    throw new FootfallError('invalid_redrive', { details: [`value is no event yet: ${decoded.detail}`] });
  }
  return { key: decoded.userId, value };
}

/** Ids and offsets are text: they may be larger than what every JSON reader holds. */
function describe({
  id,
  topic,
  partition,
  offset,
  reason,
  detail,
  attempt,
  setAsideAt,
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
    setAsideAt,
    redrivenAt,
  };
}

/** Bytes as text where they are UTF-8, else in Base64; which of the two is said. */
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
