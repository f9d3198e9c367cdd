import { describe, expect, it } from 'vitest';
import type { ApiError } from '../../../src/errors.ts';
import { Catalog, MESSAGE_TYPES, type MessageType } from '../../../src/events/catalog.ts';
import type { NewEvent } from '../../../src/events/event.ts';
import { readSegmentMessage, sharedByBatch } from '../../../src/ingest/segment.ts';
import { parseJsonBody } from '../../../src/json/json-body.ts';

const CATALOGUE = new Catalog();

function read(message: string | object, kind?: MessageType, caller?: string): NewEvent {
  const text = typeof message === 'string' ? message : JSON.stringify(message);
  return readSegmentMessage(parseJsonBody(Buffer.from(text)), kind, CATALOGUE, caller);
}

function refusal(message: object, kind?: MessageType): string[] | undefined {
  try {
    read(message, kind);
  } catch (error) {
    return [...(error as ApiError).details!];
  }
  throw new Error('taken');
}

describe('a message of a library of Segment', () => {
  it('is kept as it is, as the payload', () => {
    const text = '{"userId":"u", "type":"identify","traits":{"n":1.0}}';
    expect(read(text)).toMatchObject({
      userId: 'u',
      eventType: 'identify',
      payload: text,
      eventId: undefined,
    });
  });

  it.each([...MESSAGE_TYPES])('has the kind %s of its path, or by its own word', (kind) => {
    const message = { userId: 'u', event: 'Clicked' };
    expect(read(message, kind).eventType).toBe(kind);
    expect(read({ ...message, type: kind }).eventType).toBe(kind);
    expect(read({ ...message, type: 'page' }, kind).eventType).toBe(kind);
  });

  it('that tracks has the type of its name, where there is such a type', () => {
    expect(read({ userId: 'u', event: 'LOGIN' }, 'track').eventType).toBe('LOGIN');
    expect(read({ userId: 'u', event: 'LOGIN' }, 'page').eventType).toBe('page');
    expect(read({ userId: 'u', event: 'Clicked' }, 'track').eventType).toBe('track');
  });

  it.each<[object, string]>([
    [{ userId: 'u', anonymousId: 'a' }, 'u'],
    [{ userId: '', anonymousId: 'a' }, 'a'],
    [{ userId: null, anonymousId: 'a' }, 'a'],
    [{ userId: 7, anonymousId: 'a' }, '7'],
    [{ userId: 2 ** 53, anonymousId: 'a' }, 'a'],
    [{ userId: 1.5, anonymousId: 8 }, '8'],
  ])('%j is of user %s', (ids, userId) => {
    expect(read(ids, 'page').userId).toBe(userId);
  });

  it('has an id of its messageId and its caller', () => {
    const idOf = (messageId: unknown, caller?: string) =>
      read({ userId: 'u', messageId }, 'page', caller).eventId;
    expect(idOf('m')).toBe(idOf('m'));
    expect(new Set([idOf('m'), idOf('n'), idOf('m', 'one'), idOf('m', 'other')]).size).toBe(4);
    for (const none of [undefined, '', null, {}]) expect(idOf(none)).toBeUndefined();
  });

  it.each<[object, string | undefined]>([
    [{ timestamp: '2024-02-14T10:30:00+01:00' }, '2024-02-14T09:30:00.000Z'],
    [{ timestamp: 'today', originalTimestamp: '2024-02-14T10:30:00Z' }, '2024-02-14T10:30:00.000Z'],
    [{ originalTimestamp: '2024-02-14' }, undefined],
    [{ timestamp: 5 }, undefined],
  ])('%j happened at %s', (times, timestamp) => {
    expect(read({ userId: 'u', ...times }, 'page').timestamp).toBe(timestamp);
  });

  it('may differ in what its library adds each time it is sent', () => {
    expect(read({ userId: 'u' }, 'page').varying).toEqual(['sentAt', 'context', 'integrations', '_metadata']);
  });

  it.each<[object, MessageType | undefined, string[]]>([
    [{}, 'page', ['userId or anonymousId is required']],
    [{ userId: 'u' }, 'track', ['event is required in a track message: its name']],
    [{ userId: 'u', event: '' }, 'track', ['event is required in a track message: its name']],
    [{ userId: 'u', event: 5 }, 'track', ['event is required in a track message: its name']],
    [
      { type: 'batch', event: 'x' },
      undefined,
      [
        'type is required and must be one of: track, identify, page, screen, group, alias',
        'userId or anonymousId is required',
      ],
    ],
  ])('%j as %s is refused with every reason', (message, kind, reasons) => {
    expect(refusal(message, kind)).toEqual(reasons);
  });
});

describe('what a batch says for all of its messages', () => {
  const BATCH =
    '{"context":{"ip":"1", "app":{"n":1.0}},"integrations":{"All":false},"sentAt":"x","batch":[]}';

  /** The text of a message with what its batch says. */
  function joined(message: string, batch = BATCH, maxBytes = 10_000): string {
    const add = sharedByBatch(parseJsonBody(Buffer.from(batch)), maxBytes);
    const { text, fields } = add(parseJsonBody(Buffer.from(message)));
    expect(fields).toEqual(JSON.parse(text));
    return text;
  }

  it.each([
    ['{"a": 1.0}', '{"a":1.0,"context":{"ip":"1","app":{"n":1.0}},"integrations":{"All":false}}'],
    [
      '{"context":{"ip": "2","x":1}}',
      '{"context":{"ip":"2","app":{"n":1.0},"x":1},"integrations":{"All":false}}',
    ],
    [
      '{"context":null,"integrations":{}}',
      '{"context":{"ip":"1","app":{"n":1.0}},"integrations":{"All":false}}',
    ],
    ['{"context":"own","integrations":[]}', '{"context":"own","integrations":[]}'],
  ])('is added to %s, byte for byte, and its own counts more', (message, text) => {
    expect(joined(message)).toBe(text);
  });

  it('is nothing where it says nothing that could be added', () => {
    const message = '{"a": 1}';
    for (const batch of ['{"batch":[]}', '{"context":null,"integrations":5}', '{"other":{"a":2}}']) {
      expect(joined(message, batch, 0)).toBe(message);
    }
    expect(joined(message, '{"integrations":{"b":2}}')).toBe('{"a":1,"integrations":{"b":2}}');
  });

  it('counts for each message, so that a small batch does not become a large one', () => {
    const batch = '{"context":{"a":1},"integrations":{"b":22}}';
    const message = parseJsonBody(Buffer.from('{"n":1}'));
    // 7 and 8 bytes of the batch, and 7 of the message.
    const add = sharedByBatch(parseJsonBody(Buffer.from(batch)), 44);
    add(message);
    add(message);
    expect(() => add(message)).toThrow(expect.objectContaining({ code: 'batch_too_large' }));
    const least = sharedByBatch(parseJsonBody(Buffer.from(batch)), 43);
    least(message);
    expect(() => least(message)).toThrow(expect.objectContaining({ code: 'batch_too_large' }));
  });
});
