import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, inject, it } from 'vitest';
import { nextRelease } from '../faults/next-release.ts';
import { appendIn } from '../support/embedded-log.ts';
import { kafkaAndPostgres } from '../support/kafka-postgres.ts';
import { listeningLogger } from '../support/logger.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { byHand, freshDatabase, holdConnection, openStore, waitingForLocks } from '../support/postgres.ts';
import { runCommand } from '../support/run-command.ts';
import { post, processed, serviceHere, store } from '../support/service.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { newBatch, newEvent, TOPIC } from '../support/store-batches.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { eventJson } from '../support/verify-ground.ts';

const PRELOAD = resolve('test/faults/preload.ts');
const WORKS_BESIDE = 'of a newer Footfall, which says that this version works beside it';

/** What makes a process one of the release that has these migrations. */
const inRelease = (folder: string) => ({ NODE_OPTIONS: `--import=${PRELOAD}`, FOOTFALL_MIGRATIONS: folder });

/** The blocks of one kind below a heading of a document, without their indentation. */
function blocksOf(page: string, heading: string, kind: string): string[] {
  const [, below] = readFileSync(page, 'utf8').split(`\n${heading}\n`);
  const section = below!.split(/\n##+ /)[0]!;
  return [...section.matchAll(new RegExp(`\`\`\`${kind}\n([\\s\\S]*?)\`\`\``, 'g'))].map(
    (found) => found[1]!,
  );
}

/** What the roles of the document can do in a database of their own, with names of their own. */
async function documentedRoles() {
  const url = await freshDatabase();
  const [, grants, revokes] = blocksOf('docs/postgresql.md', '## Privileges', 'sql');
  const service = `service_${randomUUID().slice(0, 8)}`;
  const owner = `${service}_owner`;
  const here = (statements: string) =>
    statements
      .replaceAll('footfall_owner', owner)
      .replace(/create role footfall\b/, `create role ${service}`)
      .replace(/alter role footfall\b/, `alter role ${service}`)
      .replace(/(\bto|\bfrom) footfall\b/g, `$1 ${service}`)
      .replaceAll("'…'", "'secret'");
  const as = (role: string) => url.replace(/\/\/[^@]*@/, `//${role}:secret@`);
  await byHand(url, here(grants!));
  const narrow = () => byHand(url, here(revokes!));
  return { url, owner: as(owner), service: as(service), narrow };
}

async function storeReason(url: string): Promise<string | undefined> {
  const { store } = (await (await fetch(`${url}/readyz`)).json()) as { store: { reason?: string } };
  return store.reason;
}

async function json<T>(url: string, path: string, method = 'GET', body?: object): Promise<T> {
  const headers = body === undefined ? {} : { 'Content-Type': 'application/json' };
  const response = await fetch(`${url}${path}`, {
    method,
    headers,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  expect([path, response.status]).toEqual([path, 200]);
  return (await response.json()) as T;
}

async function settingsOf({ service }: { service: string }) {
  return { DATA_DIR: await tempFolder(), DATABASE_URL: service, DATABASE_MIGRATE: 'off' };
}

describe('a service with the documented privileges', () => {
  it('waits for the owner, goes on by itself, and can do all that a service does', async () => {
    const roles = await documentedRoles();
    const env = await settingsOf(roles);
    const ids = [randomUUID(), randomUUID(), randomUUID()];
    await appendIn(env.DATA_DIR, [...ids.map(eventJson), 'junk', eventJson(ids[0]!)]);
    const { logger, lines } = listeningLogger();
    const { url, stop } = await serviceHere(env, { logger });
    const lacking = /lacks the migrations 0001_events, .* run "footfall migrate" as the owner/;
    await expect.poll(() => storeReason(url)).toMatch(lacking);
    await expect.poll(() => lines.filter(({ err }) => lacking.test(err?.message ?? ''))).toHaveLength(1);
    expect((await post(url, { userId: 'early', eventType: 'LOGIN' })).status).toBe(201);

    const migrated = await runCommand(['migrate'], { DATABASE_URL: roles.owner });
    expect(migrated).toMatchObject({ code: 0, stderr: '' });
    await roles.narrow();

    await expect.poll(() => processed(url)).toHaveLength(4);
    await store(url, [{ userId: 'late', eventType: 'LOGOUT', payload: { device: 'phone' } }]);
    const again = await post(url, { eventId: ids[1], userId: 'u', eventType: 'LOGIN' });
    expect([again.status, again.headers.get('event-duplicate')]).toEqual([201, 'same']);
    expect(await json(url, '/events/stats')).toMatchObject({ total: 5 });
    const suggested = await json(url, '/events/suggestions?of=userId&prefix=la');
    expect(JSON.stringify(suggested)).toContain('late');
    const deadLetters = async () =>
      (await json<{ deadLetters: { id: string }[] }>(url, '/dead-letters')).deadLetters;
    const [junk] = await deadLetters();
    await json(url, '/dead-letters/redrive', 'POST', { ids: [junk!.id] });
    await expect.poll(deadLetters).toHaveLength(2);
    expect(await json(url, '/health')).toEqual({
      status: 'healthy',
      producer: 'connected',
      consumer: 'connected',
    });
    await json(url, '/consumer-groups');
    await stop();

    expect(await runCommand(['verify'], env)).toMatchObject({ code: 0 });
    expect(await runCommand(['positions', 'show'], env)).toMatchObject({ code: 0 });
    const reset = ['positions', 'reset', '--to-earliest', '--execute'];
    expect(await runCommand(reset, env)).toMatchObject({ code: 0 });
    const checked = await runCommand(['check'], env);
    expect(checked).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('tables in schema footfall\n'),
    });

    // What it heals by itself: a sequence that is behind, and events that are gone.
    await byHand(roles.owner, 'alter sequence events_seq_seq restart with 1');
    const second = await serviceHere(env);
    await store(second.url, [{ userId: 'later', eventType: 'LOGOUT' }]);
    await byHand(roles.owner, 'truncate events');
    await store(second.url, [{ userId: 'last', eventType: 'LOGOUT' }]);
    await expect.poll(() => processed(second.url)).toHaveLength(7);
    expect(await json(second.url, '/events/stats')).toMatchObject({ total: 7 });
  });

  it.each([
    'delete from events',
    'delete from positions',
    "insert into footfall_migrations (name, run_on) values ('9999_future', now())",
    'delete from footfall_migrations',
    'truncate events',
    'alter table events add column note text',
    'drop index events_by_hour',
    'create table notes (id integer)',
  ])('may not %s', async (statement) => {
    const roles = await documentedRoles();
    await openStore(roles.owner).migrate();
    await roles.narrow();
    await expect(byHand(roles.service, statement)).rejects.toThrow(/permission denied|must be owner/);
  });

  it('may use the tables of later versions', async () => {
    const roles = await documentedRoles();
    await openStore(roles.owner).migrate();
    await roles.narrow();
    const { folder } = await nextRelease(join(await tempFolder(), 'next'));
    const migrated = await runCommand(['migrate'], { DATABASE_URL: roles.owner, ...inRelease(folder) });
    expect(migrated).toMatchObject({ code: 0 });
    await byHand(
      roles.service,
      'insert into next_1 values (1); update next_1 set seq = 2; delete from next_1',
    );
    const { url } = await serviceHere(await settingsOf(roles));
    await store(url, [{ userId: 'u', eventType: 'LOGIN' }]);
  });
});

describe('the commands of an upgrade', () => {
  const commands = blocksOf('docs/operations.md', '### A new version', 'bash').map((block) =>
    block.trimEnd().split('\n'),
  );

  /** Runs a line of the document as the program of a release. */
  function run(line: string, env: Record<string, string>) {
    const main = resolve('src/main.ts');
    const shell = `footfall() { node ${main} "$@"; }; ${line}`;
    const path = `${dirname(process.execPath)}:${process.env.PATH}`;
    return promisify(execFile)('bash', ['-euc', shell], { env: { ...env, PATH: path } }).then(
      (output) => ({ code: 0, ...output }),
      (error: { code: number; stdout: string; stderr: string }) => error,
    );
  }

  it.each(['on', 'off'])(
    'lead to the next version and back while both run, with DATABASE_MIGRATE=%s',
    async (set) => {
      const [[before, , migrate, after], [back]] = commands as [[string, string, string, string], [string]];
      const roles = await documentedRoles();
      await openStore(roles.owner).migrate();
      const env = { ...(await settingsOf(roles)), DATABASE_MIGRATE: set };
      if (set === 'on') env.DATABASE_URL = roles.owner;
      const { folder } = await nextRelease(join(await tempFolder(), 'next'));
      const settings = { ...env, DATA_DIR: await tempFolder(), OWNER_DATABASE_URL: roles.owner };
      const secret = join(await tempFolder(), 'database-url');
      await writeFile(secret, env.DATABASE_URL);
      const { DATABASE_URL: _, ...inFile } = { ...settings, DATABASE_URL_FILE: secret };
      const next = { ...inFile, ...inRelease(folder) };
      const old = await ServiceProcess.start(env);
      await store(old.url, [{ userId: 'before', eventType: 'LOGIN' }]);

      const missing = await run(before, next);
      expect(missing.code).toBe(set === 'on' ? 0 : 1);
      expect(missing.stdout).toContain('9000_next_1');
      expect(await run(migrate, next)).toMatchObject({ code: 0 });
      const complete = { code: 0, stdout: expect.stringContaining('tables in schema footfall\n') };
      expect(await run(after, next)).toMatchObject(complete);

      await store(old.url, [{ userId: 'beside', eventType: 'LOGIN' }]);
      const dataDir = await tempFolder();
      const newer = await ServiceProcess.start({ ...env, DATA_DIR: dataDir, ...inRelease(folder) });
      await store(newer.url, [{ userId: 'of the next', eventType: 'LOGIN' }]);
      await store(old.url, [{ userId: 'of the old one', eventType: 'LOGIN' }]);
      await newer.kill('SIGTERM');

      const found = await run(back, settings);
      expect(found).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('beside which this one works'),
      });
      const returned = await ServiceProcess.start({ ...env, DATA_DIR: dataDir });
      await store(returned.url, [{ userId: 'of the returned', eventType: 'LOGIN' }]);
      expect(returned.lines.filter((line) => line.includes(WORKS_BESIDE))).toHaveLength(1);
      expect((await processed(returned.url)).map(({ userId }) => userId)).toEqual([
        'before',
        'beside',
        'of the next',
        'of the old one',
        'of the returned',
      ]);
    },
  );
});

describe.skipIf(inject('kafka4') === undefined)('a version that says that no other works beside it', () => {
  it('shuts out those that run, and what they accept from then on waits for it', async () => {
    const env = { ...(await kafkaAndPostgres()), LOG_EVERY_NTH_EVENT: '0' };
    const old = await ServiceProcess.start(env);
    await store(old.url, [{ userId: 'before', eventType: 'LOGIN' }]);
    const { folder } = await nextRelease(join(await tempFolder(), 'next'), { isCompatible: false });
    const next = { ...env, ...inRelease(folder) };
    expect(await runCommand(['migrate'], next)).toMatchObject({ code: 0 });
    expect((await post(old.url, { userId: 'meanwhile', eventType: 'LOGIN' })).status).toBe(201);
    await expect.poll(() => storeReason(old.url)).toContain('beside which this version cannot work');
    const newer = await ServiceProcess.start(next);
    // Until then it keeps its partitions.
    await old.kill('SIGTERM');
    await store(newer.url, [{ userId: 'after', eventType: 'LOGIN' }]);
    await expect
      .poll(async () => (await processed(newer.url)).map(({ userId }) => userId).sort())
      .toEqual(['after', 'before', 'meanwhile']);
    const returned = await runCommand(['check'], env);
    expect(returned).toMatchObject({ code: 1, stdout: expect.stringContaining('has migration 9000_next_1') });
  });
});

describe('a migration that shuts others out', () => {
  it.each(['auto', 'force_generic_plan'])(
    'does not deadlock with batches that are stored, with plan_cache_mode=%s',
    async (mode) => {
      const url = await freshDatabase();
      const running = openStore(`${url}?options=${encodeURIComponent(`-c plan_cache_mode=${mode}`)}`);
      // Sooner than either gives up waiting.
      await byHand(url, `alter database ${new URL(url).pathname.slice(1)} set deadlock_timeout = '10ms'`);
      await running.claim(TOPIC, [0, 1]);
      await running.process([newBatch([newEvent()])]);
      const { folder } = await nextRelease(join(await tempFolder(), 'next'), { isCompatible: false });
      // Keeps the migration waiting once it has come to the positions: this one was written last, and is updated last.
      const other = await holdConnection(url);
      await other.query('begin; select from positions where partition = 0 for update');
      const migrated = runCommand(['migrate'], { DATABASE_URL: url, ...inRelease(folder) });
      await expect.poll(() => waitingForLocks(url)).toHaveLength(1);
      const next = newBatch([newEvent()], { partition: 1 });
      const stored = running.process([next]).catch((error: Error) => error.message);
      await expect.poll(() => waitingForLocks(url)).not.toHaveLength(1);
      await other.query('rollback');
      const { stdout, stderr } = await migrated;
      expect(`${stdout} ${stderr} ${JSON.stringify(await stored)}`).not.toContain('deadlock');
    },
  );
});

describe('a version that drops a table and an index', () => {
  it('expects neither, also where an earlier version had not built the index yet', async () => {
    const url = await freshDatabase();
    await openStore(url).migrate();
    await byHand(url, 'drop index dead_letters_waiting');
    const { folder } = await nextRelease(join(await tempFolder(), 'next'));
    const drops = [
      'drop table next_1;',
      'drop index if exists events_by_hour;',
      'drop index if exists dead_letters_waiting;',
    ];
    await writeFile(
      join(folder, '9500_less.sql'),
      ['-- Compatible from 9000_next_1: unused.', ...drops].join('\n'),
    );
    await writeFile(join(folder, 'README.md'), 'Not a migration.');
    const next = { DATABASE_URL: url, ...inRelease(folder) };
    expect(await runCommand(['migrate'], next)).toMatchObject({ code: 0 });
    const complete = { code: 0, stdout: expect.stringContaining('tables in schema public\n') };
    expect(await runCommand(['check'], next)).toMatchObject(complete);
    expect(await byHand(url, "select 1 from pg_class where relname in ('next_1', 'events_by_hour')")).toEqual(
      [],
    );
  });
});

describe('footfall migrate that is killed in the middle of an index', () => {
  it('leaves one that is noticed, and is built by the next', async () => {
    const DATABASE_URL = await freshDatabase();
    await openStore(DATABASE_URL).ping(PATIENCE_MS);
    await byHand(DATABASE_URL, 'drop index events_by_hour');
    const writer = await holdConnection(DATABASE_URL);
    await writer.query('begin; lock table events in row exclusive mode');
    const killed = await ServiceProcess.spawn({ DATABASE_URL }, undefined, ['migrate']);
    const ofBuilds = 'from pg_stat_progress_create_index where datname = current_database()';
    await expect.poll(() => byHand(DATABASE_URL, `select 1 ${ofBuilds}`)).toHaveLength(1);
    await killed.kill('SIGKILL');
    const check = async () => (await runCommand(['check'], { DATABASE_URL })).stdout;
    // PostgreSQL does not know that nobody waits for it.
    expect(await check()).toContain('index events_by_hour is being built');
    await byHand(DATABASE_URL, `select pg_terminate_backend(pid) ${ofBuilds}`);
    await expect.poll(check).toContain('index events_by_hour is INVALID');
    await writer.query('rollback');
    const next = await runCommand(['migrate'], { DATABASE_URL });
    expect(next).toMatchObject({ code: 0, stdout: expect.stringContaining('index built') });
    expect(await check()).toContain('tables in schema public\n');
  });
});
