import type { LogRecord, NewRecord } from '../event-log.ts';

/** A record as its table has it. */
export interface RecordRow {
  offset: number;
  timestamp: number;
  key: Uint8Array | null;
  value: Uint8Array | null;
  headers: string;
}

export function toRecord({ offset, timestamp, key, value, headers }: RecordRow): LogRecord {
  return {
    offset,
    timestamp,
    timestampType: 'LogAppendTime',
    key: key && Buffer.from(key),
    value: value && Buffer.from(value),
    headers: decodeHeaders(headers),
  };
}

/** Bytes as Latin-1 text, which round-trips every byte. */
export function encodeHeaders(headers: NewRecord['headers']): string {
  return JSON.stringify(
    headers.map(([name, value]) => [name, value === null ? null : Buffer.from(value).toString('latin1')]),
  );
}

function decodeHeaders(text: string): LogRecord['headers'] {
  const headers = JSON.parse(text) as [string, string | null][];
  return headers.map(([name, value]) => [name, value === null ? null : Buffer.from(value, 'latin1')]);
}
