import { describe, expect, it } from 'vitest';
import { eventKey, isUuid, MAX_ID_LENGTH } from '../../../src/events/event.ts';
import {
  CALLER_HEADER,
  callersKey,
  callersUuid,
  isSameBut,
  recordKey,
} from '../../../src/events/event-ids.ts';
import { isStorable, storableErrors } from '../../../src/events/storable.ts';

const ID = 'f47ac10b-58cc-4372-a567-0e02b2c3d479';

describe('the key of an event', () => {
  it('is its own id where nobody in particular chose it, and else another one for each caller', () => {
    expect(callersKey(ID, undefined)).toBe(ID);
    const [one, other] = [callersKey(ID, 'one'), callersKey(ID, 'other')];
    expect(new Set([ID, one, other]).size).toBe(3);
    expect(callersKey(ID.toUpperCase(), 'one')).toBe(one);
    expect(isUuid(one)).toBe(true);
    // Version 8, made by a rule of our own.
    expect(one).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('is what it was in earlier versions: stores are full of them', () => {
    expect(eventKey('abc')).toBe('ba7816bf-8f01-cfea-4141-40de5dae2223');
    expect(callersKey(ID, 'one')).toBe('12862bb5-25b5-829e-a26f-0ddcfb27df19');
    expect(callersUuid('one', 'segment', 'message-1')).toBe('f5eeef5a-5582-8c6d-a360-e4c74ea2ae5a');
    expect(callersUuid(undefined, 'cloudevents', 'source', 'id')).toBe(
      '15d21f63-6e11-8530-adfd-46f69a809d28',
    );
  });

  it('is read from a record with the caller that its header names', () => {
    const value = Buffer.from('one');
    expect(
      recordKey(ID, [
        ['other', Buffer.from('x')],
        [CALLER_HEADER, value],
      ]),
    ).toBe(callersKey(ID, 'one'));
    expect(recordKey(ID, [['other', value]])).toBe(ID);
    expect(recordKey(ID, [[CALLER_HEADER, null]])).toBe(ID);
  });

  it('made of texts is another one wherever caller, kind or texts differ', () => {
    const ids = [
      callersUuid(undefined, 'segment', 'a', 'b'),
      callersUuid('null', 'segment', 'a', 'b'),
      callersUuid('one', 'segment', 'a', 'b'),
      callersUuid('one', 'cloudevents', 'a', 'b'),
      callersUuid('one', 'segment', 'ab'),
      callersUuid('one', 'segment', 'a', 'b', ''),
    ];
    expect(new Set(ids).size).toBe(ids.length);
    expect(callersUuid('one', 'segment', 'a', 'b')).toBe(ids[2]);
  });
});

describe('two events of one key', () => {
  const event = (payload: string, { userId = 'u', eventType = 'LOGIN', timestamp = '1' } = {}) =>
    `{"eventId":"${ID}","userId":"${userId}","eventType":"${eventType}","timestamp":"${timestamp}","payload":${payload}}`;

  it.each<[string, string, boolean]>([
    ['{"a":1,"sentAt":2}', '{"sentAt":3,"a":1}', true],
    ['{"a":1,"sentAt":2}', '{"a":1}', true],
    ['{"a":1}', '{"a":1.0}', false],
    ['{"a":1}', '{"a":1,"b":2}', false],
    ['{"a":1,"b":2}', '{"a":1}', false],
    ['{"a":1,"b":2}', '{"a":1,"c":2}', false],
  ])('are the same but for what varies: %s and %s: %s', (one, other, is) => {
    expect(isSameBut(event(one), event(other, { timestamp: '2' }), ['sentAt', 'context'])).toBe(is);
  });

  it('are not the same of another user or type', () => {
    const one = event('{}');
    expect(isSameBut(one, event('{}', { userId: 'other' }), [])).toBe(false);
    expect(isSameBut(one, event('{}', { eventType: 'LOGOUT' }), [])).toBe(false);
    expect(isSameBut(one, event('{}', { timestamp: '2' }), [])).toBe(true);
  });
});

describe('a text that is stored', () => {
  it.each<[string, string[]]>([
    ['', []],
    ['a'.repeat(MAX_ID_LENGTH), []],
    ['a'.repeat(MAX_ID_LENGTH + 1), ['id must be at most 255 characters long']],
    ['a\u0000', ['id must not contain NUL characters or unpaired surrogates']],
    ['\udc00', ['id must not contain NUL characters or unpaired surrogates']],
    ['\ud83d\ude00', []],
  ])('%j comes back as it is, or is refused', (text, errors) => {
    expect(storableErrors('id', text)).toEqual(errors);
    expect(isStorable(text)).toBe(errors.length === 0);
  });
});
