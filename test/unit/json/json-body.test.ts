import { describe, expect, it } from 'vitest';
import { ERRORS } from '../../../src/errors.ts';
import { isObject, NOT_JSON, parseJson, parseJsonBody } from '../../../src/json/json-body.ts';

describe('parseJsonBody', () => {
  it('returns an object, and the text it was written in', () => {
    const text = '{"a": 1.0, "é":"\\u00e9"}';
    expect(parseJsonBody(Buffer.from(text))).toEqual({ text, fields: { a: 1, é: 'é' } });
  });

  it.each<[Buffer | undefined, string]>([
    [undefined, ERRORS.body_missing.message],
    [Buffer.alloc(0), ERRORS.body_missing.message],
    [Buffer.from('{'), ERRORS.body_not_json.message],
    [Buffer.from([0x7b, 0xff, 0x7d]), 'Request body is not valid UTF-8'],
    [Buffer.from('null'), ERRORS.body_not_object.message],
    [Buffer.from('[]'), ERRORS.body_not_object.message],
    [Buffer.from('5'), ERRORS.body_not_object.message],
  ])('refuses %s, and says why', (body, message) => {
    expect(() => parseJsonBody(body)).toThrow(message);
  });
});

describe('parseJson', () => {
  it('tells text that is not JSON from any value', () => {
    expect(parseJson('{"a":[1]}')).toEqual({ a: [1] });
    expect(parseJson('null')).toBeNull();
    expect(parseJson('{')).toBe(NOT_JSON);
    expect(isObject(NOT_JSON)).toBe(false);
  });
});
