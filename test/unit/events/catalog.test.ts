import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Catalog, describeError, parseSchemaFile } from '../../../src/events/catalog.ts';
import { readNewEvent } from '../../../src/events/event.ts';
import { parseJsonBody } from '../../../src/json/json-body.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const STRICT = { type: 'object', required: ['total'] };
const MISSING = "/payload must have required property 'total'";

/** A catalog of a folder with these files. */
async function catalogueOf(files: Record<string, unknown>): Promise<Catalog> {
  const folder = await tempFolder();
  await mkdir(join(folder, 'folder'));
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return new Catalog({ folder });
}

describe('the name of a schema', () => {
  it.each([
    ['ORDER.1.json', 'ORDER', 1],
    ['ORDER.123456789.json', 'ORDER', 123_456_789],
    ['order.placed.12.json', 'order.placed', 12],
    ['1.2.json', '1', 2],
  ])('%s is of %s, version %i', (file, eventType, version) => {
    expect(parseSchemaFile(file)).toEqual({ eventType, version });
  });

  it.each([
    'ORDER.json',
    'ORDER.0.json',
    'ORDER.01.json',
    'ORDER.1234567890.json',
    'ORDER.x1.json',
    '.1.json',
    'ORDER.1.json5',
    'ORDER.1xjson',
    'ORDERx1.json',
  ])('%s is none', (file) => {
    expect(() => parseSchemaFile(file)).toThrow('its name is not TYPE.VERSION.json');
  });
});

describe('a catalog', () => {
  it('knows the core types, and records messages beside them', () => {
    const catalog = new Catalog();
    expect([catalog.has('LOGIN'), catalog.has('track'), catalog.has('OTHER')]).toEqual([true, false, false]);
    expect(['LOGIN', 'track', 'OTHER'].map((type) => catalog.isRecorded(type))).toEqual([true, true, false]);
    expect([catalog.allowsUnknownTypes, catalog.maxLevels]).toEqual([false, 64]);
    expect(new Catalog({ allowsUnknownTypes: true, maxLevels: 7 })).toMatchObject({
      allowsUnknownTypes: true,
      maxLevels: 7,
    });
    expect(new Catalog({ allowsUnknownTypes: true }).isRecorded('OTHER')).toBe(true);
  });

  it('shows its types, each with its mode and its schemas, the newest first', async () => {
    const warned = { ...STRICT, 'x-mode': 'warn' };
    const catalog = await catalogueOf({ 'ORDER.9.json': STRICT, 'ORDER.10.json': warned, 'note.txt': '{' });
    expect(catalog.describe()).toEqual([
      { eventType: 'LOGIN', mode: 'enforce', versions: [] },
      { eventType: 'LOGOUT', mode: 'enforce', versions: [] },
      { eventType: 'PRODUCT_VIEW', mode: 'enforce', versions: [] },
      {
        eventType: 'ORDER',
        mode: 'warn',
        versions: [
          { version: 10, schema: warned },
          { version: 9, schema: STRICT },
        ],
      },
    ]);
  });

  it('enforces, warns or looks at nothing, as the newest version says', async () => {
    const catalog = await catalogueOf({
      'E.1.json': STRICT,
      'W.1.json': STRICT,
      'A.1.json': STRICT,
      'E.2.json': { ...STRICT, 'x-mode': 'enforce' },
      'W.2.json': { ...STRICT, 'x-mode': 'warn' },
      'A.2.json': { ...STRICT, 'x-mode': 'accept' },
    });
    expect(catalog.check('E', {})).toEqual({ errors: [MISSING], warnings: [] });
    expect(catalog.check('W', {})).toEqual({ errors: [], warnings: [MISSING] });
    for (const type of ['A', 'LOGIN', 'UNKNOWN']) {
      expect(catalog.check(type, {})).toEqual({ errors: [], warnings: [] });
    }
    expect(catalog.check('E', { total: 1 })).toEqual({ errors: [], warnings: [] });
  });

  it('says of a new event what the schema of its type says', async () => {
    const catalog = await catalogueOf({ 'E.1.json': STRICT, 'W.1.json': { ...STRICT, 'x-mode': 'warn' } });
    const read = (eventType: string, payload?: object) => {
      const body = Buffer.from(JSON.stringify({ userId: 'u', eventType, payload }));
      return readNewEvent(parseJsonBody(body), catalog, { acceptsTimestamp: false });
    };
    expect(read('W').warnings).toEqual([MISSING]);
    expect(read('W', { total: 1 }).warnings).toBeUndefined();
    expect(read('E', { total: 1 }).payload).toBe('{"total":1}');
    expect(() => read('E')).toThrow(expect.objectContaining({ details: [MISSING] }));
  });

  it.each<[string, unknown, RegExp]>([
    ['A.1.json', 'null', /A\.1\.json: it is not a JSON Schema$/],
    ['A.1.json', '5', /A\.1\.json: it is not a JSON Schema$/],
    ['A.1.json', { 'x-mode': 'loud' }, /A\.1\.json: x-mode must be one of enforce, warn, accept$/],
    ['A.json', STRICT, /A\.json: its name is not TYPE\.VERSION\.json/],
    ['A.1.json', { unknownKeyword: 1 }, /A\.1\.json: .*unknownKeyword/],
    ['A.1.json', { uniqueItems: 'yes' }, /A\.1\.json: .*uniqueItems/],
    ['A.1.json', { properties: { a: { pattern: '(?=a)b' } } }, /A\.1\.json: .*"\(\?=a\)b" .*look-around/],
  ])('does not begin with %s of %j', async (file, content, message) => {
    await expect(catalogueOf({ [file]: content })).rejects.toThrow(message);
  });

  it('names every file at fault, one a line', async () => {
    const both = catalogueOf({ 'B.1.json': '5', 'A.1.json': '{', 'C.1.json': STRICT });
    await expect(both).rejects.toThrow(/^[^\n]*A\.1\.json: [^\n]*\n[^\n]*B\.1\.json: [^\n]*$/);
  });
});

describe('what is wrong with a payload', () => {
  const error = { keyword: 'k', schemaPath: '', instancePath: '/a/0', message: 'must be good', params: {} };

  it('is said with where it is, and which member is one too many', () => {
    expect(describeError(error)).toBe('/payload/a/0 must be good');
    const params = { additionalProperty: 'extra' };
    expect(describeError({ ...error, params })).toBe('/payload/a/0 must be good (extra)');
  });

  it('is said in 200 characters, none of them half a one', () => {
    const params = { additionalProperty: '\u{1f600}'.repeat(200) };
    const text = describeError({ ...error, instancePath: '/a', params });
    expect(text).toHaveLength(200);
    expect(text.isWellFormed()).toBe(true);
    expect(text.at(-1)).toBe('\ufffd');
  });
});

describe('a schema', () => {
  const errorsOf = async (schema: object, payload: unknown) =>
    (await catalogueOf({ 'A.1.json': schema })).check('A', payload).errors;

  it.each<[string, object, unknown, unknown]>([
    [
      'a member that is called as a reference',
      { properties: { $ref: { type: 'string' } } },
      { $ref: 'x' },
      { $ref: 5 },
    ],
    ['a value that looks like a reference', { const: { $ref: 'x' } }, { $ref: 'x' }, {}],
    ['values that look like references', { enum: [{ $ref: 'x' }, 1] }, { $ref: 'x' }, { $ref: 'y' }],
    [
      'a definition',
      { $defs: { n: { type: 'number' } }, properties: { a: { $ref: '#/$defs/n' } } },
      { a: 1 },
      { a: 'x' },
    ],
    [
      'references in a list',
      { $defs: { n: { type: 'number' } }, anyOf: [{ $ref: '#/$defs/n' }, { required: ['b'] }] },
      { b: 1 },
      { a: 1 },
    ],
    ['formats', { properties: { a: { type: 'string', format: 'date' } } }, { a: '2024-02-14' }, { a: 'x' }],
    ['patterns', { properties: { a: { type: 'string', pattern: '^a+$' } } }, { a: 'aa' }, { a: 'ab' }],
    [
      'two members with a pattern each',
      { properties: { a: { type: 'string', pattern: '^a$' }, b: { type: 'string', pattern: '^b$' } } },
      { a: 'a', b: 'b' },
      { a: 'a', b: 'a' },
    ],
    ['unique items', { properties: { a: { uniqueItems: true } } }, { a: [1, '1', null] }, { a: [1, 1] }],
    [
      'a member called as data',
      { properties: { default: { $ref: '#/$defs/n' } }, $defs: { n: { type: 'null' } } },
      { default: null },
      { default: 1 },
    ],
  ])('may have %s', async (_, schema, good, bad) => {
    expect(await errorsOf(schema, good)).toEqual([]);
    expect(await errorsOf(schema, bad)).toHaveLength(1);
  });

  it('asks for unique items only where it says so', async () => {
    expect(await errorsOf({ properties: { a: { uniqueItems: false } } }, { a: [1, 1] })).toEqual([]);
    expect(await errorsOf({ properties: { a: { uniqueItems: true } } }, { a: [{ a: 1 }, { a: 1 }] })).toEqual(
      ['/payload/a must NOT have duplicate items'],
    );
  });

  it('is given up only after ten thousand steps, and when they took longer than a quarter of a second', async () => {
    onTestFinished(() => void vi.restoreAllMocks());
    const schema = { allOf: [{ properties: { c: { $ref: '#' } } }, { properties: { c: { $ref: '#' } } }] };
    const catalog = await catalogueOf({ 'A.1.json': schema });
    const nested = (levels: number): object => (levels === 0 ? {} : { c: nested(levels - 1) });
    let now = 0;
    let passing = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => (now += passing));
    // Some sixteen thousand steps, in no time.
    expect(catalog.check('A', nested(13)).errors).toEqual([]);
    passing = 251;
    expect(catalog.check('A', nested(11)).errors).toEqual([]);
    expect(catalog.check('A', nested(13)).errors).toHaveLength(1);
  });

  it('that refers to itself in two ways is given up after a while, and not where the payload is small', async () => {
    const schema = { allOf: [{ properties: { c: { $ref: '#' } } }, { properties: { c: { $ref: '#' } } }] };
    const nested = (levels: number): object => (levels === 0 ? {} : { c: nested(levels - 1) });
    expect(await errorsOf(schema, nested(10))).toEqual([]);
    expect(await errorsOf(schema, nested(60))).toEqual([
      '/payload takes too long to check against its schema',
    ]);
  });
});
