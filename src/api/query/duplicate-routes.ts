import type { FastifyInstance, FastifySchema } from 'fastify';
import Type from 'typebox';
import type { DuplicateEvents } from '../../ingest/duplicate-events.ts';
import { QueryReader, type QueryString } from '../openapi/query-reader.ts';
import { AfterId, Cursor, count } from '../openapi/reading-schemas.ts';
import { answers, json, ref } from '../openapi/schemas.ts';

/** 500 entries with ids of 255 characters. */
const PAGE_BYTES = 1_000_000;
const LIMITS = { least: 1, most: 500, fallback: 50 };

const QUERY = Type.Object({
  limit: count(LIMITS),
  cursor: Type.Optional({ ...Cursor, description: 'The `next` of an earlier answer.' }),
  after: AfterId,
});

const LIST_DUPLICATES: FastifySchema = {
  operationId: 'listDuplicateEvents',
  tags: ['Events'],
  summary: 'Events that came again, newest first',
  description:
    'The latest 1000 duplicates that this process has seen: at intake, and in the log if it processes events. Kept in memory until the process ends.',
  querystring: QUERY,
  response: answers.read({ 200: json('A page of them.', ref('DuplicateEvents')) }, 'invalid_query'),
};

export interface DuplicateRoutesOptions {
  duplicates: DuplicateEvents;
  /** Changes with each start: ids of one process mean nothing in another. */
  processId: string;
}

/** Which events came again. */
export async function duplicateRoutes(
  api: FastifyInstance,
  { duplicates, processId }: DuplicateRoutesOptions,
): Promise<void> {
  const config = { reservesBytes: PAGE_BYTES, scope: 'read' } as const;
  api.get<{ Querystring: QueryString }>(
    '/events/duplicates',
    { schema: LIST_DUPLICATES, config },
    async ({ query }) => {
      const reader = new QueryReader(query, QUERY);
      const limit = reader.integer('limit');
      const before = reader.id('cursor', 'the next of an earlier answer');
      const after = reader.id('after', 'an id of an earlier answer');
      reader.done();
      const page = duplicates.list({ limit, before, after });
      return {
        process: processId,
        events: page.map(({ id, caller, ...one }) => ({ id: String(id), ...one, caller: caller ?? null })),
        next: page.length < limit ? null : String(page.at(-1)!.id),
      };
    },
  );
}
