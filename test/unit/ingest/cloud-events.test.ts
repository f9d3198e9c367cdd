import { describe, expect, it } from 'vitest';
import type { ApiError } from '../../../src/errors.ts';
import { Catalog } from '../../../src/events/catalog.ts';
import type { NewEvent } from '../../../src/events/event.ts';
import { readBinaryCloudEvent, readCloudEvent } from '../../../src/ingest/cloud-events.ts';
import { parseJsonBody } from '../../../src/json/json-body.ts';

const CATALOGUE = new Catalog();
const ATTRIBUTES = { specversion: '1.0', id: '1', source: '/shop', type: 'LOGIN', subject: 'u' };

function structured(event: object | string, caller?: string): NewEvent {
  const text = typeof event === 'string' ? event : JSON.stringify(event);
  return readCloudEvent(parseJsonBody(Buffer.from(text)), CATALOGUE, caller);
}

function binary(attributes: object, body?: string, caller?: string): NewEvent {
  const headers = Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [`ce-${name}`, value]),
  );
  return readBinaryCloudEvent(
    { ...headers, 'content-type': 'application/json', 'x-ce-other': 'y' },
    body === undefined ? undefined : Buffer.from(body),
    CATALOGUE,
    caller,
  );
}

function refusal(event: object): unknown {
  try {
    structured(event);
  } catch (error) {
    return (error as ApiError).details;
  }
  throw new Error('taken');
}

describe('a CloudEvent', () => {
  it('in one piece keeps its data and its attributes as they were sent', () => {
    const event = structured(
      '{"specversion":"1.0","id":"1","source":"/shop","type":"LOGIN","data": {"n":1.0},"subject":"u", "ext":[1]}',
    );
    expect(event).toMatchObject({ userId: 'u', eventType: 'LOGIN', payload: '{"n":1.0}', varying: [] });
    expect(event.attributes).toBe(
      '{"specversion":"1.0","id":"1","source":"/shop","type":"LOGIN","subject":"u","ext":[1]}',
    );
    expect(structured(ATTRIBUTES).payload).toBe('{}');
  });

  it('in headers is the same event', () => {
    const event = binary(ATTRIBUTES, '{"n": 1.0}');
    expect(event).toMatchObject({ userId: 'u', eventType: 'LOGIN', payload: '{"n": 1.0}', varying: [] });
    expect(JSON.parse(event.attributes!)).toEqual(ATTRIBUTES);
    expect(event.eventId).toBe(structured(ATTRIBUTES).eventId);
    expect(binary(ATTRIBUTES).payload).toBe('{}');
    expect(binary(ATTRIBUTES, '').payload).toBe('{}');
    expect(() => binary(ATTRIBUTES, '[]')).toThrow(expect.objectContaining({ code: 'body_not_object' }));
  });

  it('is told from others by its source, its id and its caller', () => {
    const ids = [
      ATTRIBUTES,
      { ...ATTRIBUTES, id: '2' },
      { ...ATTRIBUTES, source: '/other' },
      { ...ATTRIBUTES, id: '/shop', source: '1' },
    ].map((event) => structured(event).eventId);
    expect(new Set([...ids, structured(ATTRIBUTES, 'one').eventId]).size).toBe(5);
    expect(structured({ ...ATTRIBUTES, type: 'LOGOUT', traceparent: 'x' }).eventId).toBe(ids[0]);
  });

  it('is of the user that it names, else of its subject, at its time', () => {
    const event = { ...ATTRIBUTES, userid: 'other', time: '2024-02-14T10:30:00+01:00' };
    expect(structured(event)).toMatchObject({ userId: 'other', timestamp: '2024-02-14T09:30:00.000Z' });
    const { subject: _subject, ...others } = event;
    expect(structured(others).userId).toBe('other');
    expect(structured(ATTRIBUTES).timestamp).toBeUndefined();
  });

  it.each<[string, object, string[]]>([
    ['of another version', { specversion: '0.3' }, ['specversion must be 1.0']],
    ['without an id', { id: '' }, ['id is required and must be a string']],
    ['with a number for its source', { source: 5 }, ['source is required and must be a string']],
    ['without a type', { type: undefined }, ['type is required and must be a string']],
    [
      'of nobody',
      { subject: undefined },
      ['subject, or the extension attribute userid, is required: it is the userId'],
    ],
    ['with data in another form', { data_base64: 'e30=' }, ['data must be a JSON object']],
    ['with data that is a list', { data: [] }, ['data must be a JSON object']],
    ['with data that is null', { data: null }, ['data must be a JSON object']],
    [
      'with several faults',
      { id: 5, specversion: 1 },
      ['specversion must be 1.0', 'id is required and must be a string'],
    ],
    ['at no time', { time: 'today' }, ['timestamp must be an ISO 8601 date and time with a time zone']],
  ])('%s is refused, and told why', (_, change, reasons) => {
    expect(refusal({ ...ATTRIBUTES, ...change })).toEqual(reasons);
  });

  it.each([
    ['plain', 'plain'],
    ['"quoted \\"and\\" \\\\"', 'quoted "and" \\'],
    ['"half', '"half'],
    ['half"', 'half"'],
    ['x"y"', 'x"y"'],
    ['"y"x', '"y"x'],
    ['Z%C3%BCrich%20%e2%82%ac', 'Zürich €'],
    ['100%', '100%'],
    ['%zz%4', '%zz%4'],
    ['%ff', '%ff'],
    ['%41%ff', '%41%ff'],
    // Sent as UTF-8, which arrives as one character for each byte.
    [Buffer.from('Zürich').toString('latin1'), 'Zürich'],
    // Sent in the encoding of headers.
    ['Z\u00fcrich', 'Zürich'],
  ])('in headers: the value %j is meant as %j', (value, meant) => {
    expect(JSON.parse(binary({ ...ATTRIBUTES, ext: value }).attributes!)).toMatchObject({ ext: meant });
  });

  it('in headers: an attribute that comes more than once is none', () => {
    expect(JSON.parse(binary({ ...ATTRIBUTES, ext: ['a', 'b'], none: undefined }).attributes!)).toEqual(
      ATTRIBUTES,
    );
  });
});
