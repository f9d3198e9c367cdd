// A PostgreSQL of any version, from a folder of its programs.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { freePort } from '../src/cli/kafka/free-port.ts';

const READY = 'ready to accept connections';

export interface StartedPostgres {
  /** `postgres://…` without a database name. */
  url: string;
  stop(): Promise<void>;
}

/**
 * @param binaries the folder with `initdb` and `postgres`
 * @param dataDir a folder that does not exist yet, in one that PostgreSQL's own user may enter, if this is root
 */
export async function startPostgresOf(binaries: string, dataDir: string): Promise<StartedPostgres> {
  const user = process.getuid?.() === 0 ? postgresUser() : undefined;
  await mkdir(dataDir);
  if (user !== undefined) await chown(dataDir, user.uid, user.gid);
  const port = await freePort();
  const initialise = ['--pgdata', dataDir, '--username', 'footfall', '--auth', 'trust', '--encoding', 'UTF8'];
  await promisify(execFile)(join(binaries, 'initdb'), [...initialise, '--no-locale'], user);
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=200'];
  const server = spawn(
    join(binaries, 'postgres'),
    ['-D', dataDir, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])],
    { ...user, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const ended = new Promise<void>((done) => server.once('exit', () => done()));
  await new Promise<void>((done, fail) => {
    const said: string[] = [];
    createInterface(server.stderr).on('line', (line) => {
      said.push(line);
      if (line.includes(READY)) done();
    });
    ended.then(() => fail(new Error(`PostgreSQL did not start:\n${said.join('\n')}`)));
  });
  return {
    url: `postgres://footfall@127.0.0.1:${port}`,
    async stop() {
      server.kill('SIGINT');
      await ended;
    },
  };
}

/** PostgreSQL refuses to run as root. Packages of PostgreSQL make this user, as does the server of all tests, which starts first. */
function postgresUser(): { uid: number; gid: number } {
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}
