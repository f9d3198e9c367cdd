import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from '../../src/config/config.ts';
import { Catalog } from '../../src/events/catalog.ts';
import { openCatalog } from '../../src/service.ts';
import { post, serviceHere } from '../support/service.ts';
import { tempFolder } from '../support/temp-folder.ts';

const ORDER = {
  type: 'object',
  properties: { total: { type: 'number', minimum: 0 }, at: { type: 'string', format: 'date-time' } },
  required: ['total'],
  additionalProperties: false,
};

/** A folder with these files. */
async function folderOf(files: Record<string, unknown>): Promise<string> {
  const folder = await tempFolder();
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return folder;
}

describe('the event catalog', () => {
  it('has the three core types where there is no folder, and takes any payload for them', () => {
    const catalog = new Catalog();
    expect(catalog.names).toEqual(['LOGIN', 'LOGOUT', 'PRODUCT_VIEW']);
    expect(catalog.has('ORDER')).toBe(false);
    expect(catalog.check('LOGIN', { any: 'thing' })).toEqual({ errors: [], warnings: [] });
  });

  it('says where a payload is against the schema of its type', async () => {
    const catalog = new Catalog({ folder: await folderOf({ 'ORDER.1.json': ORDER }) });
    expect(catalog.names).toEqual(['LOGIN', 'LOGOUT', 'PRODUCT_VIEW', 'ORDER']);
    expect(catalog.check('ORDER', { total: 1, at: '2024-02-14T10:30:00Z' }).errors).toEqual([]);
    expect(catalog.check('ORDER', { total: -1, at: 'today', more: 1 })).toEqual({
      errors: ['/payload must NOT have additional properties (more)'],
      warnings: [],
    });
  });

  it('takes what any version of a type takes, and tells about the newest', async () => {
    const folder = await folderOf({
      'ORDER.1.json': { type: 'object', required: ['sum'] },
      'ORDER.2.json': { type: 'object', required: ['amount'] },
      'ORDER.10.json': { type: 'object', required: ['total'] },
    });
    const catalog = new Catalog({ folder });
    for (const payload of [{ sum: 1 }, { amount: 1 }, { total: 1 }]) {
      expect(catalog.check('ORDER', payload).errors).toEqual([]);
    }
    expect(catalog.check('ORDER', {}).errors).toEqual(["/payload must have required property 'total'"]);
    expect(
      catalog
        .describe()
        .at(-1)!
        .versions.map(({ version }) => version),
    ).toEqual([10, 2, 1]);
  });

  it('warns, or looks at nothing, where the newest version says so', async () => {
    const folder = await folderOf({
      'WARNED.1.json': { ...ORDER, 'x-mode': 'warn' },
      'ANY.1.json': { ...ORDER, 'x-mode': 'accept' },
    });
    const catalog = new Catalog({ folder });
    const finding = "/payload must have required property 'total'";
    expect(catalog.check('WARNED', {})).toEqual({ errors: [], warnings: [finding] });
    expect(catalog.check('ANY', {})).toEqual({ errors: [], warnings: [] });
  });

  it('takes types it does not have where it is told to', () => {
    const catalog = new Catalog({ allowsUnknownTypes: true });
    expect([catalog.has('anything'), catalog.names]).toEqual([true, undefined]);
  });

  it('names every file at fault at the start', async () => {
    const folder = await folderOf({
      'order.json': ORDER,
      'BAD.1.json': { type: 'objekt' },
      'CUT.1.json': '{',
      'MODE.1.json': { 'x-mode': 'loud' },
      'NOTE.txt': 'not looked at',
    });
    const config = loadConfig({ EVENT_CATALOG: folder });
    expect(() => openCatalog(config)).toThrow(ConfigError);
    try {
      openCatalog(config);
    } catch (error) {
      const { problems } = error as ConfigError;
      expect(problems.map((problem) => /(\w+(\.1)?\.json)/.exec(problem)![1])).toEqual([
        'BAD.1.json',
        'CUT.1.json',
        'MODE.1.json',
        'order.json',
      ]);
    }
  });

  it('tells about an event it warns of, whatever its members are called', async () => {
    const strict = { 'x-mode': 'warn', type: 'object', additionalProperties: false };
    const { url } = await serviceHere({ EVENT_CATALOG: await folderOf({ 'LOGIN.1.json': strict }) });
    const payload = `{"\\ud800":1,"grün":2,"${'x'.repeat(100_000)}":3,"b":4,"c":5}`;
    const response = await post(url, `{"userId":"u","eventType":"LOGIN","payload":${payload}}`);
    expect(response.status).toBe(201);
    const warnings = decodeURI(response.headers.get('event-warnings')!).split('; ');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/^\/payload must NOT have additional properties/);
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('footfall_event_warnings_total 1');
  });

  it.each<[string, object, unknown, string | undefined]>([
    [
      'a pattern that backtracks',
      { properties: { a: { type: 'string', pattern: '^(\\w+\\s?)*$' } } },
      { a: `${'a'.repeat(100_000)}!` },
      '/payload/a must match pattern "^(\\w+\\s?)*$"',
    ],
    [
      'unique items',
      { properties: { a: { type: 'array', uniqueItems: true } } },
      { a: [...Array.from({ length: 130_000 }, (_, at) => at), 7] },
      '/payload/a must NOT have duplicate items',
    ],
    [
      'unique items of every kind',
      { properties: { a: { type: 'array', uniqueItems: true } } },
      { a: [1, '1', 'true', true, null, 'null', {}, [], '{}', { a: 1, b: 2 }, { a: 2, b: 1 }] },
      undefined,
    ],
    [
      'unique items whose members are in another order',
      { properties: { a: { type: 'array', uniqueItems: true } } },
      {
        a: [
          { a: 1, b: [2] },
          { b: [2], a: 1 },
        ],
      },
      '/payload/a must NOT have duplicate items',
    ],
    [
      'a reference to itself in two ways, at every level',
      {
        allOf: [{ properties: { c: { $ref: '#' } } }, { properties: { c: { $ref: '#' } } }],
      },
      nested(60),
      '/payload takes too long to check against its schema',
    ],
    [
      'a hundred thousand references',
      { properties: { a: { items: { $ref: '#/$defs/one' } } }, $defs: { one: { type: 'integer' } } },
      { a: Array.from({ length: 100_000 }, (_, at) => at) },
      undefined,
    ],
  ])('answers soon, whatever the schema: %s', async (_what, schema, payload, error) => {
    const catalog = new Catalog({ folder: await folderOf({ 'ORDER.1.json': schema }) });
    expect(catalog.check('ORDER', payload).errors).toEqual(error === undefined ? [] : [error]);
  });

  it.each(['(?=a)b', '(?<!a)b', '(a)\\1'])('does not take the pattern %s, and says why', async (pattern) => {
    const folder = await folderOf({ 'ORDER.1.json': { properties: { a: { pattern } } } });
    expect(() => new Catalog({ folder })).toThrow(/ORDER\.1\.json: .*cannot be checked in linear time/);
  });
});

function nested(levels: number): object {
  let value: object = {};
  for (let level = 0; level < levels; level++) value = { c: value };
  return value;
}
