import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

export interface InstanceOptions {
  name: string;
  folder: string;
  env: Record<string, string>;
  /** A guarantee to take out of the source it runs, to see that the checker notices. */
  mutation: string | undefined;
}

/** One process of the real service, with its log kept in a file. */
export class Instance {
  readonly name: string;
  readonly #options: InstanceOptions;
  #child: ChildProcess | undefined;
  #frozen = false;
  url: string | undefined;
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
    const { name, folder, env, mutation } = this.#options;
    const loader = mutation === undefined ? [] : ['--import', resolve('test/faults/mutations.ts')];
    const child = spawn(process.execPath, [...loader, resolve('src/main.ts')], {
      cwd: folder,
      env: {
        PATH: process.env.PATH,
        PORT: '0',
        LOG_LEVEL: 'debug',
        ...env,
        FOOTFALL_MUTATION: mutation ?? '',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    const log = createWriteStream(join(folder, `${name}.log`), { flags: 'a' });
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
      log.write(chunk);
    });
    child.on('exit', (code, signal) => {
      this.url = undefined;
      if (this.#child === child) this.crashes.push(`${name} ended by itself with ${code ?? signal}`);
    });
    this.url = await new Promise<string>((found, failed) => {
      child.once('exit', (code) => failed(new Error(`${name} ended with ${code}: ${stderr.slice(-1000)}`)));
      createInterface(child.stdout).on('line', (line) => {
        log.write(`${line}\n`);
        if (line.startsWith('{"level":60')) this.crashes.push(line);
        const url = /answers on (http:\S+?)"/.exec(line)?.[1];
        if (url) found(url);
      });
    });
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

  unfreeze(): void {
    this.#frozen = false;
    this.#child?.kill('SIGCONT');
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
