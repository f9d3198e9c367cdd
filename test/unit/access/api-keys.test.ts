import { hash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ApiKey, ApiKeys, allows, createKey, SCOPES, type Scope } from '../../../src/access/api-keys.ts';
import { tempFolder } from '../../support/temp-folder.ts';

function listOf(...entries: ApiKey[]): ApiKeys {
  return new ApiKeys({ text: JSON.stringify(entries) });
}

function entryOf(name: string, more: Partial<ApiKey> = {}): ApiKey {
  return { name, sha256: hash('sha256', name, 'hex'), scopes: ['read'], ...more };
}

describe('a new key', () => {
  it('is found by itself, and its entry has only its hash', () => {
    const { key, entry } = createKey({ name: 'shop', scopes: ['write'], eventsPerSecond: 5 });
    expect(key).toMatch(/^ff_[\w-]{43}$/);
    expect(entry).toEqual({
      name: 'shop',
      sha256: hash('sha256', key, 'hex'),
      scopes: ['write'],
      eventsPerSecond: 5,
    });
    const keys = listOf(entry);
    expect(keys.find(key)).toEqual(entry);
    expect(keys.find(`${key}x`)).toBeUndefined();
    expect(keys.find(entry.sha256)).toBeUndefined();
  });
});

describe('a key allows', () => {
  it.each<[Scope[], Scope[]]>([
    [['write'], ['write']],
    [['read'], ['read', 'metrics']],
    [['metrics'], ['metrics']],
    [['admin'], ['write', 'read', 'metrics', 'admin']],
    [
      ['write', 'metrics'],
      ['write', 'metrics'],
    ],
  ])('with %j: %j', (scopes, allowed) => {
    const key = entryOf('one', { scopes });
    expect(SCOPES.filter((scope) => allows(key, scope))).toEqual(allowed);
    expect(SCOPES.filter((scope) => listOf(key).stillAllows(key, scope))).toEqual(allowed);
    expect(SCOPES.filter((scope) => listOf(entryOf('other')).stillAllows(key, scope))).toEqual([]);
  });
});

describe('the list of keys', () => {
  it('says whose keys there are, and where they may be used from', () => {
    const one = entryOf('one', { origins: ['https://a.example', 'http://b.example:8080'] });
    const other = entryOf('other');
    const keys = listOf(one, other);
    expect(keys.list()).toEqual([one, other]);
    expect(keys.count).toBe(2);
    expect(keys.names).toEqual(new Set(['one', 'other']));
    expect(keys.origins).toEqual(new Set(['https://a.example', 'http://b.example:8080']));
  });

  it('is read again when it is told to: keys that are gone are not found, but their callers are remembered', async () => {
    const file = join(await tempFolder(), 'keys.json');
    const old = createKey({ name: 'old', scopes: ['read'], origins: ['https://old.example'] });
    const next = createKey({ name: 'new', scopes: ['read'] });
    const keys = new ApiKeys({ text: JSON.stringify([old.entry]), file });
    const told: string[][] = [];
    keys.onReload(() => told.push(keys.list().map(({ name }) => name)));
    keys.onReload(() => told.push(['and another']));
    await writeFile(file, JSON.stringify([next.entry]));
    expect(keys.find(old.key)).toEqual(old.entry);
    keys.reload();
    expect(told).toEqual([['new'], ['and another']]);
    expect(keys.find(old.key)).toBeUndefined();
    expect(keys.find(next.key)).toEqual(next.entry);
    expect(keys.names).toEqual(new Set(['old', 'new']));
    expect(keys.origins).toEqual(new Set());
    await writeFile(file, 'cut off');
    expect(() => keys.reload()).toThrow('the list of keys is not JSON');
    expect(keys.find(next.key)).toEqual(next.entry);
    expect(told).toHaveLength(2);
  });

  it.each<[string, unknown, RegExp]>([
    ['no list', {}, /: \/ /],
    ['empty', [], /: \/ /],
    ['without a name', [{ ...entryOf('one'), name: '' }], /: \/0\/name /],
    ['of a name that is too long', [entryOf('x'.repeat(101))], /: \/0\/name /],
    [
      'with a key in place of its hash',
      [entryOf('one'), { ...entryOf('two'), sha256: 'ff_key' }],
      /: \/1\/sha256 /,
    ],
    ['with more than a hash', [{ ...entryOf('one'), sha256: `x${'0'.repeat(64)}x` }], /: \/0\/sha256 /],
    ['that allows nothing', [entryOf('one', { scopes: [] })], /: \/0\/scopes /],
    ['that allows what is not there', [{ ...entryOf('one'), scopes: ['all'] }], /: \/0\/scopes\/0 /],
    [
      'with an origin that has a path',
      [entryOf('one', { origins: ['https://a.example/b'] })],
      /: \/0\/origins\/0 /,
    ],
    [
      'with an origin of no page',
      [entryOf('one', { origins: ['xhttps://a.example'] })],
      /: \/0\/origins\/0 /,
    ],
    ['with a limit of nothing', [entryOf('one', { eventsPerSecond: 0 })], /: \/0\/eventsPerSecond /],
    ['with a part of an event', [entryOf('one', { eventsPerSecond: 1.5 })], /: \/0\/eventsPerSecond /],
    ['with a member nobody knows', [{ ...entryOf('one'), note: 'x' }], /: \/0/],
  ])('is refused where it is %s, and says where', (_, list, where) => {
    const text = JSON.stringify(list);
    expect(() => new ApiKeys({ text })).toThrow(/^the list of keys is invalid/);
    expect(() => new ApiKeys({ text })).toThrow(where);
  });
});
