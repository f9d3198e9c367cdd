import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { freePort } from '../../src/cli/kafka/free-port.ts';
import { openSqliteFile } from '../../src/sqlite/sqlite-file.ts';
import { firstCode, firstFinding, type Row } from '../support/doctor.ts';
import { WITHOUT_RETENTION_IN_POSTGRES } from '../support/earlier-tables.ts';
import { newTopic, openAdmin } from '../support/kafka-log.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import {
  byHand,
  createRole,
  freshDatabase,
  holdConnection,
  inSchema,
  openStore,
} from '../support/postgres.ts';
import { tempFolder } from '../support/temp-folder.ts';

const brokers = inject('kafka4')!;

/** Settings that are right, but for those given. */
async function settings(env: Record<string, string>) {
  return { env: { PORT: '0', DATA_DIR: await tempFolder(), ...env } };
}

const onPostgres = (url: string) => settings({ DATABASE_URL: url });

/** A port where something takes connections and never answers. */
async function silentPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  onTestFinished(() => void server.close());
  return (server.address() as { port: number }).port;
}

/** A database with Footfall's tables, after an operator has done something to it. */
async function withTables(damage: string): Promise<string> {
  const url = await freshDatabase();
  await openStore(url).ping(PATIENCE_MS);
  await byHand(url, damage);
  return url;
}

/** A database as a user that has no rights but those given, `$role` in the statements. */
async function asRole(statements: string): Promise<string> {
  const url = await freshDatabase();
  const { role, as } = await createRole(url);
  const database = new URL(url).pathname.slice(1);
  await byHand(url, statements.replaceAll('$role', role).replaceAll('$database', database));
  return as(url);
}

/** A topic and that of its dead letters, with settings of the first. */
async function onTopic(configs: Record<string, string>) {
  const [topic, admin] = [newTopic(), openAdmin(brokers)];
  const given = Object.entries(configs).map(([name, value]) => ({ name, value }));
  await admin.createTopics({ topics: [topic], partitions: 1, replicas: 1, configs: given });
  const large = [{ name: 'max.message.bytes', value: '16000000' }];
  await admin.createTopics({ topics: [`${topic}.dlt`], partitions: 1, replicas: 1, configs: large });
  return settings({
    KAFKA_BROKERS: brokers,
    KAFKA_TOPIC: topic,
    KAFKA_CONSUMER_GROUP: topic,
    DATABASE_URL: 'memory:',
  });
}

async function dataFile(make: (path: string) => Promise<void> | void) {
  const folder = await tempFolder();
  await make(join(folder, 'footfall.db'));
  return settings({ DATA_DIR: folder });
}

async function namedFile(setting: string, content: string) {
  const path = join(await tempFolder(), 'file.json');
  await writeFile(path, content);
  return settings({ [setting]: path });
}

const WRONG_SETTINGS: Row[] = [
  ['a name that is nearly a setting', 'settings', () => settings({ KAFKA_BROKER: 'a:9092' })],
  ['a value of the wrong kind', 'settings', () => settings({ PORT: 'x' })],
  ['Kafka without brokers', 'settings', () => settings({ LOG: 'kafka' })],
  ['an open port without keys', 'settings', () => settings({ HOST: '0.0.0.0' })],
  ['keys that are none', 'settings', () => namedFile('API_KEYS_FILE', '[{"name":"shop"}]')],
  ['no catalog where it should be', 'settings', () => settings({ EVENT_CATALOG: '/nowhere' })],
  [
    'a certificate authority that is not there',
    'kafka_tls_files',
    () => settings({ KAFKA_BROKERS: 'a:1', KAFKA_SECURITY_PROTOCOL: 'SSL', KAFKA_SSL_CA_FILE: '/nowhere' }),
  ],
];

const WRONG_FILES: Row[] = [
  [
    'a file instead of a folder',
    'folder_unusable',
    async () => {
      const path = join(await tempFolder(), 'data');
      await writeFile(path, '');
      return settings({ DATA_DIR: path });
    },
  ],
  [
    'a file that another process has',
    'file_in_use',
    () =>
      dataFile((path) => {
        const file = openSqliteFile(path);
        onTestFinished(() => file.close());
      }),
  ],
  [
    'a file of a newer version',
    'file_newer',
    () =>
      dataFile((path) => {
        const file = openSqliteFile(path);
        file.db.exec(
          "create table schema_versions (name text, version integer); insert into schema_versions values ('log', 99)",
        );
        file.close();
      }),
  ],
  ['a file of something else', 'file_damaged', () => dataFile((path) => writeFile(path, 'x'.repeat(5000)))],
];

const WRONG_POSTGRES: Row[] = [
  [
    'nothing at the address',
    'postgres_refused',
    async () => onPostgres(`postgres://u:p@127.0.0.1:${await freePort()}/d`),
  ],
  [
    'a server that does not answer',
    'postgres_unreachable',
    async () => onPostgres(`postgres://u:p@127.0.0.1:${await silentPort()}/d`),
  ],
  ['a name that nobody knows', 'postgres_name_unknown', () => onPostgres('postgres://u:p@db.invalid/d')],
  [
    'a wrong password',
    'postgres_password',
    async () => onPostgres((await freshDatabase()).replace(/:[^:@]*@/, ':wrong@')),
  ],
  [
    'a database that is not there',
    'postgres_database_missing',
    () => onPostgres(`${inject('postgres')}/nowhere`),
  ],
  [
    'a server without TLS',
    'postgres_tls',
    async () => onPostgres(`${await freshDatabase()}?sslmode=require`),
  ],
  [
    'a user that may not connect',
    'postgres_hba',
    async () => onPostgres(await asRole('revoke connect on database $database from public')),
  ],
  [
    'a user without connections left',
    'postgres_connections',
    async () => onPostgres(await asRole('alter role $role connection limit 0')),
  ],
  [
    'a user that may not make tables',
    'postgres_rights',
    async () => onPostgres(await asRole('revoke create on schema public from public')),
  ],
  [
    'a search path to nowhere',
    'postgres_schema',
    async () => onPostgres(inSchema(await freshDatabase(), 'nowhere')),
  ],
  [
    'tables of another program',
    'postgres_foreign_table',
    async () => {
      const url = await freshDatabase();
      await byHand(url, 'create table events (id integer)');
      return onPostgres(url);
    },
  ],
  [
    'some tables dropped',
    'postgres_tables_gone',
    async () => onPostgres(await withTables('drop table known_values')),
  ],
  [
    'tables of a newer version',
    'postgres_newer',
    async () =>
      onPostgres(
        await withTables("insert into footfall_migrations (name, run_on) values ('9999_later', now())"),
      ),
  ],
  [
    'tables of an earlier version that are for somebody else to change',
    'postgres_migrations_missing',
    async () => {
      const url = await withTables(
        `${WITHOUT_RETENTION_IN_POSTGRES} delete from footfall_migrations where name >= '0008'`,
      );
      return settings({ DATABASE_URL: url, DATABASE_MIGRATE: 'off' });
    },
  ],
  [
    'an index that is missing',
    'postgres_index',
    async () => onPostgres(await withTables('drop index events_by_hour')),
  ],
  [
    'a database that takes no writes',
    'postgres_read_only',
    async () => {
      const url = await withTables('');
      await byHand(
        url,
        `alter database ${new URL(url).pathname.slice(1)} set default_transaction_read_only = on`,
      );
      return onPostgres(url);
    },
  ],
  [
    'a locked table',
    'postgres_locked',
    async () => {
      const url = await withTables('');
      const other = await holdConnection(url);
      await other.query('begin; lock table events');
      return onPostgres(url);
    },
  ],
  [
    'a database that cannot hold all characters',
    'postgres_unfit',
    async () => {
      const name = `latin_${Math.random().toString(36).slice(2, 10)}`;
      await byHand(
        `${inject('postgres')}/postgres`,
        `create database ${name} encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0`,
      );
      return onPostgres(`${inject('postgres')}/${name}`);
    },
  ],
  [
    'commits that a crash loses',
    'postgres_durability',
    async () => {
      const url = await withTables('');
      await byHand(url, `alter database ${new URL(url).pathname.slice(1)} set synchronous_commit = off`);
      return onPostgres(url);
    },
  ],
];

const WRONG_KAFKA: Row[] = [
  [
    'nothing at the address',
    'kafka_refused',
    async () => settings({ KAFKA_BROKERS: `127.0.0.1:${await freePort()}` }),
  ],
  [
    'a broker that does not answer',
    'kafka_unreachable',
    async () => settings({ KAFKA_BROKERS: `127.0.0.1:${await silentPort()}` }),
  ],
  ['a name that nobody knows', 'kafka_name_unknown', () => settings({ KAFKA_BROKERS: 'kafka.invalid:9092' })],
  [
    'TLS to a port without',
    'kafka_tls_not_spoken',
    () => settings({ KAFKA_BROKERS: brokers, KAFKA_SECURITY_PROTOCOL: 'SSL' }),
  ],
];

const WRONG_TOPICS: Row[] = [
  ['too few replicas', 'kafka_replicas', () => onTopic({ 'min.insync.replicas': '2' })],
  ['a topic that is compacted', 'topic_settings', () => onTopic({ 'cleanup.policy': 'compact' })],
  ['a topic for small records', 'topic_settings', () => onTopic({ 'max.message.bytes': '1000' })],
];

describe('the first line of the doctor names what is wrong with', () => {
  it.each(WRONG_SETTINGS)('the settings: %s', names);
  it.each(WRONG_FILES)('the disk: %s', names);
  it.each(WRONG_POSTGRES)('PostgreSQL: %s', names);
  describe.skipIf(brokers === undefined)('Kafka', () => {
    it.each(WRONG_KAFKA)('%s', names);
    // A broker learns of a new topic a moment later.
    it.each(WRONG_TOPICS)('%s', async (_what, code, breakIt) => {
      const patient = await breakIt();
      await expect.poll(() => firstCode(patient)).toBe(code);
    });
  });
});

async function names(_what: string, code: string, breakIt: Row[2]): Promise<void> {
  const finding = await firstFinding(await breakIt());
  expect(finding?.code, finding?.cause).toBe(code);
}

it('the doctor finds nothing wrong with a set-up that is right', async () => {
  expect(await firstFinding(await settings({}))).toBeUndefined();
  expect(await firstFinding(await onPostgres(await withTables('')))).toBeUndefined();
});

it.skipIf(brokers === undefined)('the doctor finds nothing wrong with a topic that is right', async () => {
  const patient = await onTopic({ 'max.message.bytes': '2000000' });
  await expect.poll(() => firstFinding(patient)).toBeUndefined();
});
