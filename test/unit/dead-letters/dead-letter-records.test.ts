import { describe, expect, it } from 'vitest';
import {
  attemptHeader,
  attemptOf,
  deadLetterOf,
  isDeadLetterOf,
  isReference,
  isReferredTo,
  originalHeaders,
  referenceTo,
  sizeOf,
} from '../../../src/dead-letters/dead-letter-records.ts';
import type { LogRecord, NewRecord } from '../../../src/log/event-log.ts';

const RECORD: LogRecord = {
  offset: 7,
  key: Buffer.from('key'),
  value: Buffer.from('value'),
  headers: [
    ['é', Buffer.from('xyz')],
    ['none', null],
    ['my-kafka_dlt-note', null],
  ],
  timestamp: 1234,
  timestampType: 'CreateTime',
};
const ORIGIN = { topic: 'events', partition: 2 };
const REJECTED = { record: RECORD, reason: 'invalid', detail: 'it is wrong' } as const;

/** A record as the log gives back what was appended. */
function readBack({ key, value, headers }: NewRecord, timestamp = 9999): LogRecord {
  const bytes = (content: string | Buffer | null) => (content === null ? null : Buffer.from(content));
  return {
    offset: 0,
    timestamp,
    timestampType: 'CreateTime',
    key: bytes(key),
    value: bytes(value),
    headers: headers.map(([name, content]) => [name, bytes(content)]),
  };
}

describe('a dead letter', () => {
  it('has the bytes and headers of its record, and says where that is and what is wrong', () => {
    const letter = deadLetterOf('group', ORIGIN, REJECTED);
    expect(letter).toMatchObject({ topic: 'events.dlt', key: RECORD.key, value: RECORD.value });
    expect(letter.headers.slice(0, 3)).toEqual(RECORD.headers);
    expect(Object.fromEntries(letter.headers.slice(3))).toEqual({
      'kafka_dlt-original-topic': 'events',
      'kafka_dlt-original-partition': '2',
      'kafka_dlt-original-offset': '7',
      'kafka_dlt-original-timestamp': '1234',
      'kafka_dlt-original-timestamp-type': 'CreateTime',
      'kafka_dlt-original-consumer-group': 'group',
      'kafka_dlt-exception-fqcn': 'footfall.RejectedRecord',
      'kafka_dlt-exception-cause-fqcn': 'footfall.RejectedRecord',
      'kafka_dlt-exception-message': 'it is wrong',
      'kafka_dlt-exception-stacktrace': 'footfall.RejectedRecord: it is wrong',
      'footfall-dlt-reason': 'invalid',
      'footfall-dlt-attempt': '1',
    });
    expect(isReference(readBack(letter))).toBe(false);
  });

  it('is known by topic, partition and offset of its record, whatever headers that had', () => {
    const forged = {
      ...RECORD,
      headers: [['kafka_dlt-original-offset', Buffer.from('1')] as [string, Buffer]],
    };
    const letter = readBack(deadLetterOf('group', ORIGIN, { ...REJECTED, record: forged }));
    expect(isDeadLetterOf({ ...ORIGIN, offset: 7 }, letter)).toBe(true);
    expect(isDeadLetterOf({ ...ORIGIN, offset: 1 }, letter)).toBe(false);
    expect(isDeadLetterOf({ ...ORIGIN, partition: 0, offset: 7 }, letter)).toBe(false);
    expect(isDeadLetterOf({ ...ORIGIN, topic: 'other', offset: 7 }, letter)).toBe(false);
    expect(isDeadLetterOf({ ...ORIGIN, offset: 7 }, RECORD)).toBe(false);
    expect(originalHeaders(letter)).toEqual([]);
    expect(originalHeaders(readBack(deadLetterOf('group', ORIGIN, REJECTED)))).toEqual(RECORD.headers);
  });

  it.each<[string | null | undefined, number]>([
    [undefined, 1],
    ['1', 2],
    ['41', 42],
    [null, 1],
    ['', 1],
    ['-1', 1],
    ['1x', 1],
    ['x1', 1],
    ['1234567890', 1],
  ])('of a record that says it has failed %j times before is attempt %i', (before, attempt) => {
    const headers = before === undefined ? [] : [['footfall-dlt-attempt', before && Buffer.from(before)]];
    expect(attemptOf({ ...RECORD, headers: headers as LogRecord['headers'] })).toBe(attempt);
  });

  it('that is redriven and fails again counts one more', () => {
    const redriven = readBack({ topic: 't', key: null, value: null, headers: [attemptHeader(3)] });
    const again = deadLetterOf('group', ORIGIN, { ...REJECTED, record: redriven });
    expect(attemptOf(readBack(again))).toBe(5);
    expect(attemptOf(redriven)).toBe(4);
  });
});

describe('a reference to a record', () => {
  const reference = referenceTo('group', ORIGIN, REJECTED);

  it('has none of its bytes, and says where it is and how large', () => {
    expect(reference).toMatchObject({ topic: 'events.dlt', key: '2:7', value: null });
    // "key", "value", "é" in two bytes, "xyz", "none" and "my-kafka_dlt-note".
    expect(Object.fromEntries(reference.headers)).toMatchObject({
      'footfall-dlt-left-out-bytes': '34',
      'kafka_dlt-original-offset': '7',
      'footfall-dlt-reason': 'invalid',
    });
    expect(reference.headers.map(([name]) => name)).not.toContain('none');
    expect(isReference(readBack(reference))).toBe(true);
    expect(isReference(undefined)).toBe(false);
    expect(sizeOf({ ...RECORD, key: null, value: null, headers: [] })).toBe(0);
  });

  it('means only a record of that size and time', () => {
    const letter = readBack(reference);
    expect(isReferredTo(RECORD, letter)).toBe(true);
    expect(isReferredTo({ ...RECORD, timestamp: 1235 }, letter)).toBe(false);
    expect(isReferredTo({ ...RECORD, value: Buffer.from('other one') }, letter)).toBe(false);
  });
});
