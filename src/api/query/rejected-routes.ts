import type { FastifyInstance, FastifySchema } from 'fastify';
import Type from 'typebox';
import { ERRORS } from '../../errors.ts';
import type { RejectedEvents } from '../../ingest/rejected-events.ts';
import { QueryReader, type QueryString } from '../openapi/query-reader.ts';
import { answers, Id, json, ref } from '../openapi/schemas.ts';
import { pageOf, pageParameters, readPlace } from './kept-lists.ts';

/** 50 bodies of 10 000 characters, with up to six bytes for each when escaped. */
const PAGE_BYTES = 3_000_000;
const QUERY = Type.Object({
  ...pageParameters(50),
  code: Type.Optional(
    Type.Enum(Object.keys(ERRORS), { description: 'Only events rejected with this error code.' }),
  ),
  caller: Type.Optional({ ...Id, description: 'Only events from the caller with this name.' }),
});

const LIST_REJECTED: FastifySchema = {
  operationId: 'listRejectedEvents',
  tags: ['Events'],
  summary: 'Rejected events, newest first',
  description:
    'What this process has rejected: the body, and why. Kept in memory, up to `REJECTED_EVENTS_BYTES`, until the process ends. Temporary errors and requests without a valid key are not listed.',
  querystring: QUERY,
  response: answers.read({ 200: json('A page of them.', ref('RejectedEvents')) }, 'invalid_query'),
};

export interface RejectedRoutesOptions {
  rejected: RejectedEvents;
  /** Changes with each start: an id means nothing to another process. */
  processId: string;
}

/** Why events were rejected. */
export async function rejectedRoutes(
  api: FastifyInstance,
  { rejected, processId }: RejectedRoutesOptions,
): Promise<void> {
  const config = { reservesBytes: PAGE_BYTES, scope: 'read' } as const;
  api.get<{ Querystring: QueryString }>(
    '/events/rejected',
    { schema: LIST_REJECTED, config },
    async ({ query }) => {
      const reader = new QueryReader(query, QUERY);
      const place = readPlace(reader);
      const code = query.code === undefined ? undefined : reader.choice('code');
      const caller = reader.text('caller');
      reader.done();
      const entries = rejected.list({ ...place, code, caller });
      return pageOf({ processId, limit: place.limit, entries }, ({ isTruncated, ...one }) => ({
        ...one,
        truncated: isTruncated,
      }));
    },
  );
}
