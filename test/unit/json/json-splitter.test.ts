import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Element,
  type ElementFormat,
  type ElementsEnd,
  readElements,
} from '../../../src/json/json-splitter.ts';

/** The elements as texts, and how they ended; the body comes in pieces of `size` bytes. */
async function divide(
  body: string,
  format: ElementFormat,
  { size = 7, maxBytes = 1000 } = {},
): Promise<{ elements: string[]; end: ElementsEnd }> {
  const bytes = Buffer.from(body);
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  const found: string[] = [];
  const elements = readElements(chunks(), format, maxBytes);
  for (;;) {
    const { done, value } = await elements.next();
    if (done) return { elements: found, end: value };
    for (const element of value) found.push(element.toString().trim());
  }
}

describe('readElements', () => {
  it('divides any array and any lines as JSON.parse would, however they are cut', async () => {
    const values = fc.array(fc.jsonValue({ maxDepth: 4 }), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(
        values,
        fc.integer({ min: 1, max: 40 }),
        fc.constantFrom(0, 1),
        async (all, size, indent) => {
          const plain = JSON.parse(JSON.stringify(all)) as unknown[];
          const asArray = await divide(JSON.stringify(plain, null, indent), 'array', {
            size,
            maxBytes: 1e6,
          });
          expect(asArray.elements.map((text) => JSON.parse(text))).toEqual(plain);
          expect(asArray.end).toBe('complete');
          const lines = plain.map((value) => JSON.stringify(value)).join('\n');
          const asLines = await divide(lines, 'lines', { size, maxBytes: 1e6 });
          expect(asLines.elements.map((text) => JSON.parse(text))).toEqual(plain);
        },
      ),
      { numRuns: 300 },
    );
  });

  it.each<[string, ElementFormat, string[], ElementsEnd]>([
    ['', 'array', [], 'complete'],
    ['  \n ', 'either', [], 'complete'],
    ['[]', 'array', [], 'complete'],
    [' [ ] ', 'either', [], 'complete'],
    ['[1, "a]b\\"", {"c":[",",2]}]', 'array', ['1', '"a]b\\""', '{"c":[",",2]}'], 'complete'],
    [' \n ', 'array', [], 'complete'],
    ['[,1]', 'array', ['', '1'], 'complete'],
    ['[1,,2]', 'array', ['1', '', '2'], 'complete'],
    ['[1,]', 'array', ['1', ''], 'complete'],
    ['[1, 2', 'array', ['1'], 'incomplete'],
    ['[1, "2]', 'array', ['1'], 'incomplete'],
    ['[1] [2]', 'array', ['1'], 'not-array'],
    ['{"a":1}', 'array', [], 'not-array'],
    ['[1]x', 'array', ['1'], 'not-array'],
    ['{"a":1}\n\n  \r\n{"b":2}', 'lines', ['{"a":1}', '{"b":2}'], 'complete'],
    ['{"a":1}\n{"b":2}\n', 'either', ['{"a":1}', '{"b":2}'], 'complete'],
    ['\n[{"a":1}]', 'either', ['{"a":1}'], 'complete'],
  ])('divides %j', async (body, format, elements, end) => {
    expect(await divide(body, format)).toEqual({ elements, end });
  });

  it.each<ElementFormat>(['array', 'lines'])(
    'passes over one of the %s that is too large',
    async (format) => {
      const large = JSON.stringify('x'.repeat(50));
      const body = format === 'array' ? `[1,${large},2]` : `1\n${large}\n2`;
      expect((await divide(body, format, { maxBytes: 20 })).elements).toEqual(['1', 'too-large', '2']);
    },
  );

  it('looks for the first character in as many chunks as there is only space', async () => {
    expect(await divide('  [1,2]', 'either', { size: 1 })).toEqual({ elements: ['1', '2'], end: 'complete' });
    expect(await divide('\n\n1\n2', 'either', { size: 1 })).toEqual({
      elements: ['1', '2'],
      end: 'complete',
    });
  });

  it.each<ElementFormat>(['array', 'lines'])(
    'takes one of the %s that is just as large as may be, in one chunk or many',
    async (format) => {
      const body = format === 'array' ? '[1234,12345,1]' : '1234\n12345\n1';
      for (const size of [100, 1]) {
        expect((await divide(body, format, { size, maxBytes: 4 })).elements).toEqual([
          '1234',
          'too-large',
          '1',
        ]);
      }
    },
  );

  it.each<[ElementFormat, string[]]>([
    ['array', ['[1', ',', '2,', '3', ']']],
    ['lines', ['1', '\n', '2\n', '3', '\n']],
  ])('does not copy one of the %s that came in one chunk', async (format, texts) => {
    const chunks = texts.map((text) => new Uint8Array(Buffer.from(text)));
    async function* body() {
      for (const { buffer } of chunks) yield Buffer.from(buffer);
    }
    const elements: Element[] = [];
    for await (const some of readElements(body(), format, 100)) elements.push(...some);
    expect(elements.map(String)).toEqual(['1', '2', '3']);
    const places = elements.map((element) =>
      chunks.findIndex(({ buffer }) => buffer === (element as Buffer).buffer),
    );
    expect(places).toEqual([0, 2, 3]);
  });
});
