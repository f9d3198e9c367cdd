import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ApiError, ERRORS } from '../../../src/errors.ts';
import { Catalog } from '../../../src/events/catalog.ts';
import {
  buildEvent,
  checkNewEvent,
  decodeEvent,
  encodeEvent,
  eventKey,
  isRejection,
  type NewEvent,
  readNewEvent,
  type UserEvent,
} from '../../../src/events/event.ts';
import { eventTimeMs, isDateTime } from '../../../src/events/event-time.ts';
import { parseJsonBody } from '../../../src/json/json-body.ts';

const USER_MESSAGE = 'userId is required and must be a string';
const TYPE_MESSAGE = 'eventType is required and must be one of: LOGIN, LOGOUT, PRODUCT_VIEW';
const CATALOGUE = new Catalog();
const NOW = '2024-02-14T10:30:00.000Z';

function parseNewEvent(body: Buffer | undefined): NewEvent {
  return readNewEvent(parseJsonBody(body), CATALOGUE, { acceptsTimestamp: false });
}

function refusal(body: string | Buffer | undefined): Pick<ApiError, 'code' | 'details' | 'message'> {
  try {
    parseNewEvent(typeof body === 'string' ? Buffer.from(body) : body);
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  throw new Error('accepted');
}

describe('parseNewEvent', () => {
  it('takes an event with and without payload', () => {
    expect(parseNewEvent(Buffer.from('{"userId":"u","eventType":"LOGIN","payload":{"a": 1.0}}'))).toEqual({
      userId: 'u',
      eventType: 'LOGIN',
      payload: '{"a": 1.0}',
    });
    expect(parseNewEvent(Buffer.from('{"eventType":"LOGOUT","userId":"u"}')).payload).toBe('{}');
  });

  it.each([
    ['{}', [USER_MESSAGE, TYPE_MESSAGE]],
    ['{"userId":""}', [USER_MESSAGE, TYPE_MESSAGE]],
    ['{"userId":7,"eventType":"LOGIN"}', [USER_MESSAGE]],
    ['{"userId":"u","eventType":"login"}', [TYPE_MESSAGE]],
    ['{"userId":"u","eventType":["LOGIN"]}', [TYPE_MESSAGE]],
    ['{"userId":"u","eventType":"LOGIN","payload":[]}', ['payload must be an object']],
    ['{"userId":"u","eventType":"LOGIN","payload":null}', ['payload must be an object']],
    ['{"userId":"u","eventType":"LOGIN","payload":0}', ['payload must be an object']],
    [
      '{"userId":"a\\u0000b","eventType":"LOGIN"}',
      ['userId must not contain NUL characters or unpaired surrogates'],
    ],
    [
      '{"userId":"\\ud800","eventType":"LOGIN"}',
      ['userId must not contain NUL characters or unpaired surrogates'],
    ],
    [`{"userId":"${'u'.repeat(256)}","eventType":"LOGIN"}`, ['userId must be at most 255 characters long']],
    ['{"__proto__":{"userId":"u","eventType":"LOGIN"}}', [USER_MESSAGE, TYPE_MESSAGE]],
  ])('says what is wrong with %s', (body, messages) => {
    expect(refusal(body)).toMatchObject({ code: 'invalid_event', details: messages });
  });

  it.each([
    [undefined, 'body_missing'],
    ['', 'body_missing'],
    ['{"userId":', 'body_not_json'],
    ['\ufeff{}', 'body_not_json'],
    [Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 'body_not_json'],
    ['[]', 'body_not_object'],
    ['null', 'body_not_object'],
    ['"text"', 'body_not_object'],
  ])('refuses %j as %s', (body, code) => {
    expect(refusal(body as string).code).toBe(code);
  });

  it.each([61, 62, 400_000])(
    'takes arrays in each other as deep as a list of events may be: %i',
    (levels) => {
      const payload = `{"a":${'['.repeat(levels)}${']'.repeat(levels)}}`;
      const parse = () =>
        parseNewEvent(Buffer.from(`{"userId":"u","eventType":"LOGIN","payload":${payload}}`));
      if (levels === 61) expect(parse().payload).toBe(payload);
      else expect(parse).toThrow(ERRORS.invalid_event.message);
    },
  );

  it('does not take brackets in texts for levels', () => {
    const payload = `{"a":"${'[{'.repeat(100)}","\\\\":"\\"[[","${'['.repeat(100)}":[]}`;
    const event = `{"userId":"u","eventType":"LOGIN","payload":${payload}}`;
    expect(parseNewEvent(Buffer.from(event)).payload).toBe(payload);
  });
});

describe('encodeEvent', () => {
  it('writes the members in the order of the contract', () => {
    const event = buildEvent(
      { userId: 'u"1', eventType: 'LOGIN', payload: '{"z":1, "a":2}' },
      () => 'id-1',
      NOW,
    );
    expect(encodeEvent(event)).toBe(
      '{"eventId":"id-1","userId":"u\\"1","eventType":"LOGIN","timestamp":"2024-02-14T10:30:00.000Z","payload":{"z":1, "a":2}}',
    );
  });
});

describe('isDateTime', () => {
  it.each([
    ['0001-01-01T00:00:00Z', true],
    ['0287-02-22T22:59:42+04:14', true],
    ['1899-12-31T23:59:59.999Z', true],
    ['9999-12-31T23:59:59Z', true],
    ['0001-01-01T00:00:00+01:00', false],
    ['9999-12-31T23:59:59-01:00', false],
    ['2024-02-14', false],
    ['2024-02-14T10:30:00', false],
  ])('%s: %s', (text, is) => {
    expect(isDateTime(text)).toBe(is);
  });
});

/** What some parser or other takes for a time. */
const NOT_TIMES = [
  'foo 1',
  '5',
  '11/25/2026',
  '2026-11-25',
  '2026-11-25 02:00:00',
  'Wed, 25 Nov 2026 02:00:00 GMT',
  '+275760-09-12T00:00:00Z',
  '-271821-04-21T00:00:00Z',
  '0000-12-31T00:00:00Z',
  '9999-12-31T23:59:59-01:00',
  '2026-02-29T00:00:00Z',
  '2026-02-30T00:00:00Z',
  '2026-04-31T00:00:00Z',
  '2026-13-01T00:00:00Z',
  '2026-11-25T24:00:00Z',
  '2026-11-25T23:59:60Z',
  '2026-11-25T02:00:00+24:00',
];

describe('the time of an event', () => {
  it.each(NOT_TIMES)('is not: %s', (text) => {
    expect(eventTimeMs(text)).toBeNaN();
    expect(isDateTime(text)).toBe(false);
  });

  it.each([
    ['2026-11-25T02:00:00.123456Z', '2026-11-25T02:00:00.123Z'],
    ['2026-11-25T02:00:00.5+05:30', '2026-11-24T20:30:00.500Z'],
    ['2024-02-29T23:59:59Z', '2024-02-29T23:59:59.000Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
    ['0004-02-29T00:00:00Z', '0004-02-29T00:00:00.000Z'],
    // Without a zone it is in UTC; over HTTP the zone has to be there.
    ['2026-11-25T02:00:00', '2026-11-25T02:00:00.000Z'],
  ])('%s is %s, wherever this runs', (text, utc) => {
    const before = process.env.TZ;
    onTestFinished(() => {
      process.env.TZ = before;
    });
    for (const zone of ['UTC', 'Asia/Tokyo', 'America/Los_Angeles']) {
      process.env.TZ = zone;
      expect(new Date(eventTimeMs(text)).toISOString()).toBe(utc);
    }
    expect(isDateTime(text)).toBe(text.at(-1) === 'Z' || text.includes('+'));
  });
});

describe('decodeEvent', () => {
  const valid = '{"eventId":"e","userId":"u","eventType":"LOGIN","timestamp":"2024-02-14T10:30:00Z"}';

  it('reads what another producer wrote, in any member order', () => {
    const foreign =
      '{ "payload": {"n":1}, "timestamp":"2024-02-14T10:30:00", "extra":1, "eventType":"LOGOUT","userId":"u","eventId":"abc" }';
    expect(decodeEvent(Buffer.from(foreign), CATALOGUE)).toEqual({
      eventId: 'abc',
      userId: 'u',
      eventType: 'LOGOUT',
      timestamp: '2024-02-14T10:30:00',
      payload: '{"n":1}',
      json: '{"eventId":"abc","userId":"u","eventType":"LOGOUT","timestamp":"2024-02-14T10:30:00","payload":{"n":1}}',
      members: { n: 1 },
    });
    expect(decodeEvent(Buffer.from(valid), CATALOGUE)).toMatchObject({ payload: '{}' });
  });

  it.each([
    [null, 'empty'],
    ['', 'empty'],
    ['junk', 'not-json'],
    [Buffer.from([0xff, 0xfe]), 'not-json'],
    [Buffer.from(valid.replace('"u"', '"\u00ff"'), 'latin1'), 'not-json'],
    [valid.replace('"2024-02-14T10:30:00Z"', '["2024-02-14T10:30:00Z"]'), 'invalid'],
    ['[]', 'invalid'],
    ['null', 'invalid'],
    [valid.replace('"e"', '""'), 'invalid'],
    [valid.replace('"e"', '7'), 'invalid'],
    [valid.replace('"e"', '"\\ud800"'), 'invalid'],
    [valid.replace('2024-02-14T10:30:00Z', 'yesterday'), 'invalid'],
    ...NOT_TIMES.map((time): [string, string] => [valid.replace('2024-02-14T10:30:00Z', time), 'invalid']),
    [valid.replace('LOGIN', 'PURCHASE'), 'invalid'],
    [valid.replace('"userId":"u",', ''), 'invalid'],
    [valid.replace('{', `{"attributes":{"a":${'['.repeat(62)}${']'.repeat(62)}},`), 'invalid'],
  ])('sets %j aside as %s', (value, reason) => {
    const decoded = decodeEvent(value === null ? null : Buffer.from(value), CATALOGUE);
    expect(isRejection(decoded) && decoded.reason).toBe(reason);
  });

  it('returns any accepted event as it was, byte for byte', () => {
    const json = fc.object({
      maxDepth: 4,
      values: [fc.string({ unit: 'binary' }), fc.double(), fc.boolean(), fc.constant(null)],
    });
    const text = fc
      .array(fc.integer({ min: 0, max: 0xffff }), { minLength: 1, maxLength: 60 })
      .map((units) => String.fromCharCode(...units))
      .filter((userId) => userId.isWellFormed() && !userId.includes('\u0000'));
    fc.assert(
      fc.property(
        text,
        fc.constantFrom('LOGIN', 'LOGOUT', 'PRODUCT_VIEW'),
        json,
        fc.uuid(),
        (userId, eventType, payload, id) => {
          const raw = JSON.stringify(payload, null, 1);
          const body = Buffer.from(
            `{"userId":${JSON.stringify(userId)},"payload":${raw},"eventType":"${eventType}"}`,
          );
          const event = buildEvent(parseNewEvent(body), () => id, NOW);
          const decoded = decodeEvent(Buffer.from(encodeEvent(event)), CATALOGUE) as UserEvent;
          expect(decoded).toMatchObject({
            eventId: id,
            userId,
            eventType,
            timestamp: NOW,
            payload: raw,
          });
          expect(encodeEvent(decoded)).toBe(encodeEvent(event));
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('eventKey', () => {
  it('takes a UUID as it is, in either case', () => {
    expect(eventKey('F47AC10B-58CC-4372-A567-0E02B2C3D479')).toBe('f47ac10b-58cc-4372-a567-0e02b2c3d479');
  });

  it('gives any other id a UUID of its own, always the same', () => {
    expect(eventKey('abc')).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(eventKey('abc')).toBe(eventKey('abc'));
    expect(eventKey('abc')).not.toBe(eventKey('ABC'));
  });
});

describe('a new event', () => {
  const ID = 'F47AC10B-58CC-4372-A567-0E02B2C3D479';

  function read(more: object, options: { acceptsTimestamp?: boolean; caller?: string } = {}): NewEvent {
    const body = Buffer.from(JSON.stringify({ userId: 'u', eventType: 'LOGIN', ...more }));
    return readNewEvent(parseJsonBody(body), CATALOGUE, { acceptsTimestamp: false, ...options });
  }

  it('has an id of its client in lower case, and then its caller', () => {
    expect(read({ eventId: ID }, { caller: 'shop' })).toMatchObject({
      eventId: ID.toLowerCase(),
      caller: 'shop',
    });
    const plain = read({}, { caller: 'shop' });
    expect([plain.eventId, plain.caller, plain.timestamp, plain.warnings]).toEqual(Array(4).fill(undefined));
  });

  it('has its own time only where that counts, and is told where it does not', () => {
    const timestamp = '2024-02-14T10:30:00+01:00';
    expect(read({ timestamp }, { acceptsTimestamp: true })).toMatchObject({
      timestamp: '2024-02-14T09:30:00.000Z',
      warnings: undefined,
    });
    expect(read({ timestamp })).toMatchObject({
      timestamp: undefined,
      warnings: ['not kept, unless inside payload: timestamp'],
    });
    expect(read({ timestamp: 'never' }).timestamp).toBeUndefined();
  });

  it.each<[object, string]>([
    [{ eventId: 'x' }, 'eventId must be a UUID'],
    [{ eventId: 5 }, 'eventId must be a UUID'],
    [{ eventId: [ID] }, 'eventId must be a UUID'],
    [{ eventId: `x${ID}` }, 'eventId must be a UUID'],
    [{ eventId: `${ID}x` }, 'eventId must be a UUID'],
    [{ timestamp: '2024-02-14T10:30:00' }, 'timestamp must be an ISO 8601 date and time with a time zone'],
    [{ timestamp: 5 }, 'timestamp must be an ISO 8601 date and time with a time zone'],
    [{ timestamp: ['2024-02-14T10:30:00Z'] }, 'timestamp must be an ISO 8601 date and time with a time zone'],
    [{ eventType: 'track' }, TYPE_MESSAGE],
  ])('is refused with %j', (more, message) => {
    expect(() => read(more, { acceptsTimestamp: true })).toThrow(
      expect.objectContaining({ details: [message] }),
    );
  });

  it('is told which of its members are not kept: ten of them, at fifty characters', () => {
    const others = Object.fromEntries(Array.from({ length: 10 }, (_, at) => [`m${at}`, 1]));
    const names = Object.keys(others).join(', ');
    expect(read({ ...others, payload: {} }).warnings).toEqual([`not kept, unless inside payload: ${names}`]);
    expect(read({ ...others, n: 1, o: 2 }).warnings).toEqual([
      `not kept, unless inside payload: ${names} and 2 more`,
    ]);
    expect(read({ [`${'x'.repeat(49)}\u{1f600}`]: 1 }).warnings).toEqual([
      `not kept, unless inside payload: ${'x'.repeat(49)}\ufffd`,
    ]);
  });

  it('of a kind of message is taken where messages are', () => {
    const message = { userId: 'u', eventType: 'track' };
    expect(checkNewEvent(message, () => '{}', CATALOGUE, 'messages').eventType).toBe('track');
  });

  it('is told of members that are not kept beside a time that counts', () => {
    const more = { timestamp: '2024-02-14T10:30:00Z', more: 1 };
    expect(read(more, { acceptsTimestamp: true }).warnings).toEqual([
      'not kept, unless inside payload: more',
    ]);
  });

  it('may be of any type where any is taken, and is told so where it has none', () => {
    const any = new Catalog({ allowsUnknownTypes: true });
    const readAny = (eventType: unknown) => {
      const body = Buffer.from(JSON.stringify({ userId: 'u', eventType }));
      return readNewEvent(parseJsonBody(body), any, { acceptsTimestamp: false });
    };
    expect(readAny('ANY').eventType).toBe('ANY');
    for (const none of ['', 5, undefined]) {
      expect(() => readAny(none)).toThrow(
        expect.objectContaining({ details: ['eventType is required and must be a string'] }),
      );
    }
    expect(() => readAny('x'.repeat(256))).toThrow(
      expect.objectContaining({ details: ['eventType must be at most 255 characters long'] }),
    );
  });

  it('keeps what its format says beside the payload, byte for byte', () => {
    const event = buildEvent({ ...read({}), attributes: '{"a": 1.0}' }, () => 'id', NOW);
    expect(encodeEvent(event)).toMatch(/"payload":\{\},"attributes":\{"a": 1\.0\}\}$/);
    const decoded = decodeEvent(Buffer.from(encodeEvent(event)), CATALOGUE) as UserEvent;
    expect(decoded.attributes).toBe('{"a": 1.0}');
    const chosen = buildEvent(
      { ...read({ eventId: ID }), timestamp: '2025-01-01T00:00:00.000Z' },
      () => 'id',
      NOW,
    );
    expect(chosen).toMatchObject({ eventId: ID.toLowerCase(), timestamp: '2025-01-01T00:00:00.000Z' });
  });
});

describe('a record that is not an event', () => {
  const reasonsOf = (value: string) => decodeEvent(Buffer.from(value), CATALOGUE);
  const valid = { eventId: 'e', userId: 'u', eventType: 'LOGIN', timestamp: '2024-02-14T10:30:00Z' };

  it('is described with every reason, and the id it carries', () => {
    expect(reasonsOf('{}')).toEqual({
      reason: 'invalid',
      detail: [
        'eventId is required and must be a string',
        'timestamp is required and must be an ISO 8601 date and time of a day that exists, in UTC or with a time zone',
        USER_MESSAGE,
        TYPE_MESSAGE,
      ].join('; '),
    });
    expect(reasonsOf(JSON.stringify({ ...valid, payload: 5 }))).toEqual({
      reason: 'invalid',
      detail: 'payload must be an object',
      eventId: 'e',
    });
    for (const eventId of ['', 7]) {
      expect(reasonsOf(JSON.stringify({ ...valid, eventId }))).not.toHaveProperty('eventId');
    }
    expect(reasonsOf('[]')).toEqual({ reason: 'invalid', detail: 'the value is not a JSON object' });
    expect(reasonsOf('{')).toEqual({ reason: 'not-json', detail: 'the value is not JSON' });
  });

  it('because its attributes are too deep names them; attributes of another kind are passed over', () => {
    const deep = `{"a":${'['.repeat(62)}${']'.repeat(62)}}`;
    const text = JSON.stringify(valid).replace('{', `{"attributes":${deep},`);
    expect(reasonsOf(text)).toMatchObject({ detail: expect.stringMatching(/^attributes must be nested/) });
    expect(reasonsOf(JSON.stringify({ ...valid, attributes: [] }))).not.toHaveProperty('attributes', '[]');
  });
});
