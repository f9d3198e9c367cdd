import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from '../../../src/config/config.ts';
import { readPostgresUrl, requestedSearchPath } from '../../../src/config/postgres-url.ts';
import { tempFolder } from '../../support/temp-folder.ts';

/** What the start says of an address: one sentence. */
function problemOf(url: string): string {
  try {
    loadConfig({ DATABASE_URL: url });
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).problems).toHaveLength(1);
    return (error as ConfigError).problems[0]!;
  }
  return 'taken';
}

describe('the address of a PostgreSQL', () => {
  it.each([
    ['postgres://u:p@db:5433/d', { host: 'db', port: 5433, user: 'u', password: 'p', database: 'd' }],
    [
      'postgresql://u@db',
      { host: 'db', port: undefined, user: 'u', password: undefined, database: undefined },
    ],
    ['postgres://db/d', { host: 'db', user: undefined, database: 'd' }],
    ['postgres://u:p%40%2F%3F%23%25%3A@h/d', { host: 'h', user: 'u', password: 'p@/?#%:' }],
    ['postgres://u:p@ss@h/d', { host: 'h', user: 'u', password: 'p@ss' }],
    ['postgres://u:p:w@h/d', { user: 'u', password: 'p:w' }],
    ['postgres://us%40x:p@h/d%2Fe', { user: 'us@x', database: 'd/e' }],
    ['postgres://u:p@[::1]:5433/d', { host: '::1', port: 5433 }],
    ['postgres://[fe80::1%25eth0]/d', { host: 'fe80::1%eth0' }],
    ['postgres://u:p@/d?host=/run/postgresql', { host: '/run/postgresql', database: 'd', ssl: false }],
    ['postgres:///d?host=/run/postgresql&port=5433', { host: '/run/postgresql', port: 5433, ssl: false }],
    ['postgres://u:p@%2Frun%2Fpostgresql/d?sslmode=require', { host: '/run/postgresql', ssl: false }],
    ['postgres://h/d?user=u&password=p&dbname=e', { user: 'u', password: 'p', database: 'e' }],
    [
      'postgres://h/d?application_name=a&connect_timeout=9',
      { application_name: 'a', connectionTimeoutMillis: 9000 },
    ],
    ['postgres://h/d?channel_binding=require', { enableChannelBinding: true, connectionTimeoutMillis: 5000 }],
    ['postgres://h/d?target_session_attrs=read-write&pgbouncer=true&keepalives=1', { host: 'h' }],
  ])('%s is understood', (url, expected) => {
    expect(readPostgresUrl(url)).toMatchObject(expected);
    expect(problemOf(url)).toBe('taken');
  });

  it.each([
    ['sslmode=disable', false],
    ['ssl=false', false],
    ['sslmode=require', {}],
    ['ssl=true', {}],
    ['sslmode=verify-ca', {}],
    ['sslmode=verify-full', {}],
    ['sslrootcert=system', {}],
    ['sslmode=no-verify', { rejectUnauthorized: false }],
    ['sslmode=require&uselibpqcompat=true', { rejectUnauthorized: false }],
    ['application_name=a', undefined],
  ])('%s says how to encrypt', (parameters, expected) => {
    expect(readPostgresUrl(`postgres://h/d?${parameters}`).ssl).toEqual(expected);
  });

  it('may name files of certificates, which are read at the start', async () => {
    const path = join(await tempFolder(), 'ca.pem');
    await writeFile(path, 'the authority');
    const ssl = (parameters: string) => readPostgresUrl(`postgres://h/d?${parameters}`).ssl;
    expect(ssl(`sslmode=verify-full&sslrootcert=${path}`)).toEqual({ ca: 'the authority' });
    expect(ssl(`sslrootcert=${path}&sslcert=${path}&sslkey=${path}`)).toMatchObject({
      ca: 'the authority',
      cert: 'the authority',
      key: 'the authority',
    });
    expect(ssl(`sslmode=verify-ca&sslrootcert=${path}`)).toEqual({
      ca: 'the authority',
      checkServerIdentity: expect.any(Function),
    });
    expect(problemOf(`postgres://h/d?sslmode=verify-full&sslrootcert=${path}.none`)).toMatch(
      /^DATABASE_URL: sslrootcert cannot be read: ENOENT/,
    );
  });

  it.each([
    ['postgres://u:se#cret@h/d', /has a "#", .* write it as %23 in a password$/],
    ['postgres://u:se/cret@h/d', /In a password write "\/" as %2F/],
    ['postgres://u:se?cret@h/d', /In a password write "\/" as %2F, "\?" as %3F/],
    ['postgres://u:se@c/ret@h/d', /In a password write "\/" as %2F/],
    ['postgres://u:12/34@h/d', /In a password write "\/" as %2F/],
    ['postgres://u:secret%@h/d', /has a "%" that begins no character/],
    ['postgres://u:se%zzcret@h/d', /has a "%" that begins no character/],
    ['postgres://u:secret', /has a host or a port that is not understood/],
    ['postgres://u:secret@h:port/d', /has a host or a port that is not understood/],
    ['postgres://u:secret@h:99999/d', /has a port that is not a number from 1 to 65535/],
    ['postgres://u:secret@::1:5432/d', /write an IPv6 address in brackets, as \[::1\]:5432/],
    ['postgres://u:secret@h1,h2/d', /names several hosts, .* for DATABASE_URL the primary/],
    ['postgres://u:secret@h1:5432,h2:5433/d', /names several hosts/],
    ['postgres:///d?host=h1,h2&password=secret', /names several hosts/],
    ['postgres://u:secret@h/d?sslmode=prefer', /Write sslmode=require .*, sslmode=disable/],
    ['postgres://u:secret@h/d?sslmode=allow', /sslmode=allow leaves it to whoever is in between/],
    ['postgres://u:secret@h/d?sslmode=on', /sslmode must be one of disable, require, verify-ca/],
    ['postgres://u:secret@h/d?sslmod=require', /has the parameter sslmod, which Footfall does not know/],
    ['postgres://u:secret@h/d?secret!%3D=x', /has a parameter, which Footfall does not know/],
    ['postgres://u:secret@h/d?schema=one', /write options=-c%20search_path%3DSCHEMA instead/],
    ['postgres://u:secret@h/d?connection_limit=5', /set DATABASE_POOL_SIZE instead/],
    ['postgres://u:secret@h/d?target_session_attrs=standby', /a replica is for DATABASE_READ_URL/],
    ['postgres://u:secret@h/d?sslnegotiation=direct', /sslnegotiation=direct needs sslmode=require/],
    ['postgres://u:secret@h/d?connect_timeout=soon', /connect_timeout must be a number of seconds/],
  ])('%s is refused at the start, and shows nothing of the password', (url, sentence) => {
    const problem = problemOf(url);
    expect(problem).toMatch(/^DATABASE_URL/);
    expect(problem).toMatch(sentence);
    expect(problem).not.toMatch(/se.?cret|\bse\b|cret|34/);
  });

  it('gives back every password and user that is encoded', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), (text) => {
        const encoded = encodeURIComponent(text).replaceAll(
          /[!'()*]/g,
          (one) => `%${one.charCodeAt(0).toString(16)}`,
        );
        const { user, password } = readPostgresUrl(`postgres://${encoded}:${encoded}@h/d`);
        expect([user, password]).toEqual([text, text]);
      }),
    );
  });

  it.each([
    ['-c search_path=one', 'one'],
    ['-csearch_path=one,two -c statement_timeout=5', 'one,two'],
    ['-c statement_timeout=5 --search_path="Two,\\ too"', '"Two, too"'],
    ['-c statement_timeout=5', undefined],
  ])('options %s ask for the search path %s', (options, expected) => {
    expect(requestedSearchPath({ options })).toBe(expected);
  });
});
