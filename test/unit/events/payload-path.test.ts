import { describe, expect, it } from 'vitest';
import { isScalarAt, payloadDimension, payloadPath, scalarAt } from '../../../src/events/payload-path.ts';

function valueAt(payload: string, ...path: string[]): string | undefined {
  return scalarAt(JSON.parse(payload), path, payload);
}

function isAt(payload: string, wanted: string, ...path: string[]): boolean {
  return isScalarAt(JSON.parse(payload), path, () => payload, wanted);
}

describe('payloadPath', () => {
  it.each<[string, string[] | undefined]>([
    ['payload.cart.currency', ['cart', 'currency']],
    ['payload.a', ['a']],
    ['payload.', undefined],
    ['payload.a..b', undefined],
    ['payload.a.', undefined],
    ['payload', undefined],
    ['other.payload.a', undefined],
  ])('%s leads to %j', (name, path) => {
    expect(payloadPath(name)).toEqual(path);
  });

  it('reads what payloadDimension writes', () => {
    expect(payloadPath(payloadDimension('cart.currency'))).toEqual(['cart', 'currency']);
  });
});

describe('scalarAt', () => {
  it.each<[string, string[], string | undefined]>([
    ['{"a":"text"}', ['a'], 'text'],
    ['{"a":{"b":"text"}}', ['a', 'b'], 'text'],
    ['{"a":["x",{"b":"y"}]}', ['a', '1', 'b'], 'y'],
    ['{"a":true}', ['a'], 'true'],
    ['{"a":null}', ['a'], 'null'],
    ['{"a":{}}', ['a'], undefined],
    ['{"a":[]}', ['a'], undefined],
    ['{"a":1}', ['b'], undefined],
    ['{"a":"text"}', ['a', 'length'], undefined],
    ['{"a":[2,7]}', ['a', 'length'], undefined],
    ['{"a":{"length":2}}', ['a', 'length'], '2'],
    ['{"a":null}', ['a', 'b'], undefined],
    // Only what was sent: no member that every object has.
    ['{"a":{}}', ['a', 'toString'], undefined],
  ])('of %s at %j is %j', (payload, path, value) => {
    expect(valueAt(payload, ...path)).toBe(value);
  });

  it.each([
    ['1', '1'],
    ['1.0', '1'],
    ['1001.0', '1001'],
    ['10e-1', '1'],
    ['0.10', '0.1'],
    ['100', '100'],
    ['1e2', '100'],
    ['1E+2', '100'],
    ['1200e-1', '120'],
    ['-1.50', '-1.5'],
    ['0', '0'],
    ['-0', '0'],
    ['0.000', '0'],
    ['0e5', '0'],
    ['1e21', '1e+21'],
    ['0.0000001', '1e-7'],
    ['123456789012345680000', '123456789012345680000'],
    // No number of 64 bits means these: as they were sent.
    ['9007199254740993', '9007199254740993'],
    ['1e400', '1e400'],
    ['10e9999999999999999', '10e9999999999999999'],
    ['1e-9999999999999999', '1e-9999999999999999'],
    ['0.1000000000000000055', '0.1000000000000000055'],
    ['1e-400', '1e-400'],
  ])('writes the number %s as %s', (sent, text) => {
    expect(valueAt(`{"a":${sent}}`, 'a')).toBe(text);
  });
});

describe('isScalarAt', () => {
  it.each([
    ['1.0', '1', true],
    ['1.0', '1.0', true],
    ['1.0', '1.00', false],
    ['1.0', '2', false],
    ['1', '01', false],
    ['9007199254740993', '9007199254740993', true],
    ['9007199254740993', '9007199254740992', false],
    ['"1"', '1', true],
    ['"1.0"', '1', false],
    ['true', 'true', true],
    ['null', 'null', true],
    ['null', '', false],
    ['{}', '', false],
    ['[]', '', false],
    ['""', '', true],
  ])('%s is what a reader means by "%s": %s', (sent, wanted, is) => {
    expect(isAt(`{"a":${sent}}`, wanted, 'a')).toBe(is);
  });

  it('is nothing that a reader can mean where there is nothing', () => {
    expect(isAt('{"a":1}', 'undefined', 'b')).toBe(false);
    expect(isAt('{"a":{"b":1}}', '1', 'a', 'b')).toBe(true);
  });

  it('asks for the text only where a number may be meant', () => {
    const text = () => {
      throw new Error('asked');
    };
    expect(isScalarAt({ a: 'x' }, ['a'], text, 'x')).toBe(true);
    expect(isScalarAt({ a: 1 }, ['a'], text, '2')).toBe(false);
    expect(() => isScalarAt({ a: 1 }, ['a'], text, '1')).toThrow('asked');
  });
});
