import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../../src/cli/kafka/free-port.ts';

/** Debian keeps it where only root looks. */
const PATH = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`;

/** Whether there is a PgBouncer to test with; where there is none, that is said, and is an error in CI. */
export function hasPgBouncer(): boolean {
  try {
    execFileSync('pgbouncer', ['--version'], { env: { PATH }, stdio: 'pipe' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    if (process.env.CI === 'true') throw new Error('PgBouncer is needed: apt-get install pgbouncer');
    console.warn('\nLEFT OUT: the tests through PgBouncer. Install pgbouncer to run them.\n');
    return false;
  }
}

export interface PgBouncerOptions {
  folder: string;
  /** Address of the server behind it, without a database name. */
  postgres: string;
  mode: 'session' | 'transaction';
  /** Connections to the server, of one database. */
  poolSize: number;
  /** Parameters it is told to take and do nothing about. */
  ignored?: string;
}

/** A real PgBouncer in front of a PostgreSQL, configured as its documentation begins. */
export class PgBouncer {
  readonly #child: ChildProcess;
  /** Address without a database name. */
  readonly url: string;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.url = url;
  }

  static async start({ folder, postgres, mode, poolSize, ignored }: PgBouncerOptions): Promise<PgBouncer> {
    const server = new URL(postgres);
    const port = await freePort();
    const users = join(folder, `users-${port}.txt`);
    const ini = join(folder, `pgbouncer-${port}.ini`);
    await writeFile(users, `"${server.username}" "${server.password}"\n`);
    await writeFile(
      ini,
      `[databases]
* = host=${server.hostname} port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = plain
auth_file = ${users}
pool_mode = ${mode}
default_pool_size = ${poolSize}
max_client_conn = 500
server_idle_timeout = 5
${ignored === undefined ? '' : `ignore_startup_parameters = ${ignored}`}
`,
    );
    // It refuses to run as root.
    const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
    const child = spawn('pgbouncer', [...user, ini], { env: { PATH }, stdio: 'pipe' });
    await untilUp(child);
    const url = `postgres://${server.username}:${server.password}@127.0.0.1:${port}`;
    return new PgBouncer(child, url);
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    await ended;
  }
}

function untilUp(child: ChildProcess): Promise<void> {
  let said = '';
  return new Promise((resolve, reject) => {
    child.stderr!.on('data', (text) => {
      said += text;
      if (said.includes('process up')) resolve();
    });
    child.once('exit', () => reject(new Error(`PgBouncer has ended: ${said}`)));
  });
}
