// Shared by the lists a process keeps in memory: newest first, with ids that are valid as long as the process lives.
import Type from 'typebox';
import type { QueryReader } from '../openapi/query-reader.ts';
import { AfterId, Cursor, count } from '../openapi/reading-schemas.ts';

/** The query parameters of a page with at most this many entries. */
export function pageParameters(most: number) {
  return {
    limit: count({ least: 1, most, fallback: 50 }),
    cursor: Type.Optional({ ...Cursor, description: 'The `next` of an earlier response.' }),
    after: AfterId,
  };
}

export function readPlace(reader: Pick<QueryReader<ReturnType<typeof pageParameters>>, 'integer' | 'id'>) {
  return {
    limit: reader.integer('limit'),
    before: reader.id('cursor', 'the next of an earlier answer'),
    after: reader.id('after', 'an id of an earlier answer'),
  };
}

interface KeptPage<Entry> {
  /** Changes with each start: an id means nothing to another process. */
  processId: string;
  limit: number;
  entries: readonly Entry[];
}

/** @param show returns the fields of an entry besides its id */
export function pageOf<Entry extends { id: number }>(
  { processId, limit, entries }: KeptPage<Entry>,
  show: (entry: Omit<Entry, 'id'>) => object,
) {
  return {
    process: processId,
    events: entries.map(({ id, ...entry }) => ({ id: String(id), ...show(entry) })),
    next: entries.length < limit ? null : String(entries.at(-1)!.id),
  };
}
