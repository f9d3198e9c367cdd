import type { FastifyInstance, FastifySchema } from 'fastify';
import Type from 'typebox';
import type { DuplicateEvents } from '../../ingest/duplicate-events.ts';
import { QueryReader, type QueryString } from '../openapi/query-reader.ts';
import { answers, json, ref } from '../openapi/schemas.ts';
import { pageOf, pageParameters, readPlace } from './kept-lists.ts';

/** 500 entries with ids of 255 characters. */
const PAGE_BYTES = 1_000_000;
const QUERY = Type.Object(pageParameters(500));

const LIST_DUPLICATES: FastifySchema = {
  operationId: 'listDuplicateEvents',
  tags: ['Events'],
  summary: 'Events that were sent again, newest first',
  description:
    'The last 1000 duplicates this process has seen, at intake and, if it processes events, in the log. Kept in memory until the process ends.',
  querystring: QUERY,
  response: answers.read({ 200: json('A page of them.', ref('DuplicateEvents')) }, 'invalid_query'),
};

export interface DuplicateRoutesOptions {
  duplicates: DuplicateEvents;
  /** Changes with each start: an id means nothing to another process. */
  processId: string;
}

/** Events that were sent again. */
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
      const place = readPlace(reader);
      reader.done();
      const entries = duplicates.list(place);
      return pageOf({ processId, limit: place.limit, entries }, ({ caller, ...one }) => ({
        ...one,
        caller: caller ?? null,
      }));
    },
  );
}
