import type { FastifyInstance, FastifySchema } from 'fastify';
import Type from 'typebox';
import { ERRORS } from '../../errors.ts';
import type { RejectedEvents } from '../../ingest/rejected-events.ts';
import { QueryReader, type QueryString } from '../openapi/query-reader.ts';
import { AfterId, Cursor, count } from '../openapi/reading-schemas.ts';
import { answers, Id, json, ref } from '../openapi/schemas.ts';

/** 50 bodies of 10 000 characters, each escaped with six. */
const PAGE_BYTES = 3_000_000;
const LIMITS = { least: 1, most: 50, fallback: 50 };

const QUERY = Type.Object({
  limit: count(LIMITS),
  cursor: Type.Optional({ ...Cursor, description: 'The `next` of an earlier answer.' }),
  after: AfterId,
  code: Type.Optional(Type.Enum(Object.keys(ERRORS), { description: 'Only refusals with this error code.' })),
  caller: Type.Optional({ ...Id, description: 'Only those of the caller with this name.' }),
});

const LIST_REJECTED: FastifySchema = {
  operationId: 'listRejectedEvents',
  tags: ['Events'],
  summary: 'Events that were refused, newest first',
  description:
    'The latest refusals of this process: what was sent, and why it was not accepted. Kept in memory, up to `REJECTED_EVENTS_BYTES`, until the process ends. Errors that pass by themselves, and requests without a valid key, are not listed.',
  querystring: QUERY,
  response: answers.read({ 200: json('A page of them.', ref('RejectedEvents')) }, 'invalid_query'),
};

export interface RejectedRoutesOptions {
  rejected: RejectedEvents;
  /** Changes with each start: ids of one process mean nothing in another. */
  processId: string;
}

/** Why events were refused. */
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
      const limit = reader.integer('limit');
      const before = reader.id('cursor', 'the next of an earlier answer');
      const after = reader.id('after', 'an id of an earlier answer');
      const code = query.code === undefined ? undefined : reader.choice('code');
      const caller = reader.text('caller');
      reader.done();
      const page = rejected.list({ limit, code, caller, before, after });
      return {
        process: processId,
        events: page.map(({ id, isTruncated, ...one }) => ({
          id: String(id),
          ...one,
          truncated: isTruncated,
        })),
        next: page.length < limit ? null : String(page.at(-1)!.id),
      };
    },
  );
}
