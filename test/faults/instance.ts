import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { CrashPoint } from './crash-points.ts';

export interface InstanceOptions {
  name: string;
  folder: string;
  env: Record<string, string>;
  /** A guarantee to take out of the source it runs, to see that the checker notices. */
  mutation: string | undefined;
}

const PRELOAD = resolve('test/faults/preload.ts');

/** One process of the real service, with its log kept in a file. */
export class Instance {
  readonly name: string;
  readonly #options: InstanceOptions;
  #child: ChildProcess | undefined;
  #frozen = false;
  url: string | undefined;
  /** Folder of the migrations of another release, which it is from its next start on; empty: it is this one. */
  migrations = '';
  /** Log lines of level fatal, and ends that nobody asked for: none is allowed. */
  readonly crashes: string[] = [];

  constructor(options: InstanceOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** True while requests can be sent to it. */
  get answers(): boolean {
    return this.url !== undefined && !this.#frozen;
  }

  /** True when it could take and store events just now. */
  async ready(): Promise<boolean> {
    return (await fetch(`${this.url}/readyz`)).status === 200;
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    const { child, listening } = this.#spawn('');
    child.on('exit', (code, signal) => {
      if (this.#child === child) this.crashes.push(`${this.name} ended by itself with ${code ?? signal}`);
    });
    await listening;
  }

  /** Restarts it so that it kills itself when it comes to a point of its source; resolves when it has. */
  async restartToDieAt(point: CrashPoint): Promise<void> {
    await this.stop();
    const { child, listening } = this.#spawn(point.id);
    // It may be dead before it says that it listens.
    listening.catch(() => {});
    await new Promise((resolve) => child.once('exit', resolve));
  }

  /** Runs a command with its settings that kills itself when it comes to a point of its source; resolves to how it ended. */
  async runToDieAt(point: CrashPoint, args: readonly string[]): Promise<NodeJS.Signals | number | null> {
    const child = this.#node(args, point.id);
    child.stdout.resume();
    child.stderr.pipe(createWriteStream(this.#logFile, { flags: 'a' }));
    return new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
  }

  #node(args: readonly string[], diesAt: string): ChildProcessByStdio<null, Readable, Readable> {
    const { folder, env, mutation } = this.#options;
    return spawn(process.execPath, ['--import', PRELOAD, resolve('src/main.ts'), ...args], {
      cwd: folder,
      env: {
        PATH: process.env.PATH,
        NODE_COMPILE_CACHE: resolve('.cache/compile'),
        PORT: '0',
        LOG_LEVEL: 'debug',
        ...env,
        FOOTFALL_MUTATION: mutation ?? '',
        FOOTFALL_DIES_AT: diesAt,
        FOOTFALL_MIGRATIONS: this.migrations,
        FOOTFALL_CLOCK_FILE: this.#clockFile,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** @returns its process, and what resolves when it listens */
  #spawn(diesAt: string): { child: ChildProcess; listening: Promise<void> } {
    const { name } = this.#options;
    const child = this.#node([], diesAt);
    this.#child = child;
    const log = createWriteStream(this.#logFile, { flags: 'a' });
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
      log.write(chunk);
    });
    child.on('exit', () => {
      if (this.#child === child) this.url = undefined;
    });
    const listening = new Promise<void>((found, failed) => {
      child.once('exit', (code) => failed(new Error(`${name} ended with ${code}: ${stderr.slice(-1000)}`)));
      createInterface(child.stdout).on('line', (line) => {
        log.write(`${line}\n`);
        if (line.startsWith('{"level":60')) this.crashes.push(line);
        const url = /answers on (http:\S+?)"/.exec(line)?.[1];
        if (url === undefined || child.exitCode !== null || child.signalCode !== null) return;
        this.url = url;
        found();
      });
    });
    return { child, listening };
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** @returns the exit code of an orderly stop */
  async stop(): Promise<number | null> {
    return this.#end('SIGTERM');
  }

  freeze(): void {
    this.#frozen = true;
    this.#child?.kill('SIGSTOP');
  }

  /** Blocks its event loop for twice its session: it is alive and does nothing, not even send heartbeats. */
  block(): void {
    this.#child?.kill('SIGURG');
  }

  unfreeze(): void {
    this.#frozen = false;
    this.#child?.kill('SIGCONT');
  }

  /** Sets its wall clock forward or back; 0 sets it right again. */
  async setClock(aheadMs: number): Promise<void> {
    await writeFile(this.#clockFile, String(aheadMs));
    this.#child?.kill('SIGWINCH');
  }

  get #clockFile(): string {
    return join(this.#options.folder, `${this.name}.clock`);
  }

  /** What it has logged so far, in whole lines. */
  async logLines(): Promise<string[]> {
    return (await readFile(this.#logFile, 'utf8')).split('\n').slice(0, -1);
  }

  get #logFile(): string {
    return join(this.#options.folder, `${this.name}.log`);
  }

  /** Resident memory in bytes; undefined while it does not run. */
  async memory(): Promise<number | undefined> {
    const pid = this.#child?.pid;
    if (pid === undefined || this.url === undefined) return undefined;
    const pages = await readFile(`/proc/${pid}/statm`, 'utf8').catch(() => undefined);
    return pages === undefined ? undefined : Number(pages.split(' ')[1]) * 4096;
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return null;
    this.#child = undefined;
    this.url = undefined;
    const ended = new Promise<number | null>((done) => child.once('exit', (code) => done(code)));
    child.kill('SIGCONT');
    this.#frozen = false;
    child.kill(signal);
    return ended;
  }
}
