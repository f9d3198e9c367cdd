import { crc32 } from 'node:zlib';
import type { Place } from '../../query/shared-reads.ts';
import type { StoredEvent } from '../../store/event-store.ts';
import { parseCursor, toCursor } from './event-filters.ts';

/** How far a reader of the stream has read. */
export interface StreamId {
  storeId: string;
  sequence: number;
  /** Of the last event up to there; undefined in an `Event-Cursor`. */
  checksum: string | undefined;
}

const CHECKSUM = /\.([0-9a-f]{8})$/;

/** After the store has gone back and grown again, a sequence means another event, so ids carry a checksum of theirs. */
export function toStreamId(storeId: string, { sequence, last }: Place): string {
  const cursor = toCursor(storeId, sequence);
  return last === undefined ? cursor : `${cursor}.${checksumOf(last)}`;
}

/** @returns undefined if the text is not an id of a stream */
export function parseStreamId(text: string): StreamId | undefined {
  const [end = '', checksum] = CHECKSUM.exec(text) ?? [];
  const cursor = parseCursor(text.slice(0, text.length - end.length));
  return cursor && { ...cursor, checksum };
}

/** Whether the last event up to the id is still the one it was created with. */
export function isUnchanged({ checksum }: StreamId, last: StoredEvent | undefined): boolean {
  return checksum === undefined || (last !== undefined && checksumOf(last) === checksum);
}

/** Most ids are sent to many readers. */
const checksums = new WeakMap<StoredEvent, string>();

function checksumOf(event: StoredEvent): string {
  let checksum = checksums.get(event);
  if (checksum === undefined) {
    checksum = crc32(event.json).toString(16).padStart(8, '0');
    checksums.set(event, checksum);
  }
  return checksum;
}
