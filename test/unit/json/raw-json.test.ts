import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rawAt, rawMembers } from '../../../src/json/raw-json.ts';

/** Any JSON text of an object, with white space wherever JSON allows it. */
const space = fc.constantFrom('', ' ', '\n', '\t', '\r\n  ');
const scalar = fc.oneof(
  fc.constantFrom('null', 'true', 'false', '-0', '1e400', '9007199254740993', '1.0', '0.1e-7'),
  fc.string({ unit: 'binary' }).map((text) => JSON.stringify(text)),
  fc.constantFrom('"\\u0000"', '"\\ud800"', '"\\\\"', '"a\\\\\\"b"', '"{[,]}:"'),
);
const { value } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    scalar,
    fc
      .tuple(space, fc.array(tie('value')))
      .map(([gap, items]) => `[${gap}${items.join(`${gap},${gap}`)}${gap}]`),
    fc.tuple(space, fc.array(fc.tuple(fc.string(), tie('value')))).map(([gap, members]) =>
      objectText(
        gap,
        members.map(([name, text]) => [JSON.stringify(name), text]),
      ),
    ),
  ),
}));

function objectText(gap: string, members: [string, string][]): string {
  return `{${gap}${members.map(([name, text]) => `${name}${gap}:${gap}${text}`).join(`${gap},${gap}`)}${gap}}`;
}

describe('rawMembers', () => {
  it('returns each value as the text it was written in', () => {
    const text = ' { "a" : 9007199254740993 ,"b":{"c":[1, 2,{"d":"}"}]} , "e":"x\\"y","f":1e400}\n';
    expect(Object.fromEntries(rawMembers(text))).toEqual({
      a: '9007199254740993',
      b: '{"c":[1, 2,{"d":"}"}]}',
      e: '"x\\"y"',
      f: '1e400',
    });
  });

  it('finds nothing in an empty object', () => {
    expect(rawMembers('{}').size).toBe(0);
    expect(rawMembers(' {\n} ').size).toBe(0);
  });

  it('reads escaped names, and lets the last of a repeated name count, as JSON.parse does', () => {
    expect(Object.fromEntries(rawMembers('{"pay\\u006coad":1,"payload":2,"__proto__":{"x":1}}'))).toEqual(
      Object.fromEntries([
        ['payload', '2'],
        ['__proto__', '{"x":1}'],
      ]),
    );
  });

  it('agrees with JSON.parse on any object', () => {
    fc.assert(
      fc.property(space, fc.array(fc.tuple(fc.string({ unit: 'binary' }), value)), (gap, members) => {
        const text =
          gap +
          objectText(
            gap,
            members.map(([name, raw]) => [JSON.stringify(name), raw]),
          ) +
          gap;
        const found = rawMembers(text);
        const expected = new Map(members);
        expect(found).toEqual(expected);
        const parsed = JSON.parse(text) as Record<string, unknown>;
        for (const [name, raw] of found) expect(JSON.parse(raw)).toEqual(parsed[name]);
      }),
      { numRuns: 500 },
    );
  });
});

describe('rawAt', () => {
  const text = ' {"a": [ 10 , [1.0,"]\\"," ], {"b":{"c":1e2}} ,-0 ],"0":"x","deep" :{ "d":[ ] }} ';

  it.each<[string[], string]>([
    [[], text],
    [['a', '0'], '10'],
    [['a', '1'], '[1.0,"]\\"," ]'],
    [['a', '1', '1'], '"]\\","'],
    [['a', '2', 'b', 'c'], '1e2'],
    [['a', '3'], '-0'],
    [['0'], '"x"'],
    [['deep', 'd'], '[ ]'],
  ])('finds what is at %j, as it was written', (path, found) => {
    expect(rawAt(text, path)).toBe(found);
  });

  it('finds elements of an array behind any space', () => {
    expect(rawAt('\n[\t1 ,\r\n2\n]', ['1'])).toBe('2');
    expect(rawAt('[1,2]', ['1'])).toBe('2');
    expect(rawAt('[[1],2,{"a":3}]', ['2', 'a'])).toBe('3');
  });
});
