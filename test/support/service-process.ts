import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished } from 'vitest';
import { PATIENCE_MS } from './patience.ts';
import { tempFolder } from './temp-folder.ts';

const MAIN = resolve('src/main.ts');
/** Most tests start processes, and a third of what a start computes is the same each time: types cut out, code compiled. */
export const COMPILE_CACHE = resolve('.cache/compile');

interface ProcessEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** The real service as a process of its own, in an empty working folder. */
export class ServiceProcess {
  readonly #child: ChildProcess;
  readonly ended: Promise<ProcessEnd>;
  /** Standard output, line by line, as it comes. */
  readonly lines: string[] = [];
  stderr = '';
  #hasEnded = false;
  url = '';
  /** Sent with the requests of tests, such as an API key. */
  headers: Record<string, string> = {};

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.ended = new Promise((done) => {
      child.once('close', (code, signal) => {
        this.#hasEnded = true;
        done({ code, signal });
      });
    });
    child.stderr!.on('data', (chunk) => {
      this.stderr += chunk;
    });
  }

  /**
   * @param env on top of a free port and time enough to stop; nothing of this process's environment but PATH is passed on
   * @param folder working folder; a fresh one if not given
   * @param args of the command line
   */
  static async spawn(
    env: Record<string, string> = {},
    folder?: string,
    args: readonly string[] = [],
  ): Promise<ServiceProcess> {
    const cwd = folder ?? (await tempFolder());
    const child = spawn(process.execPath, [MAIN, ...args], {
      cwd,
      env: {
        PATH: process.env.PATH,
        NODE_COMPILE_CACHE: COMPILE_CACHE,
        PORT: '0',
        SHUTDOWN_TIMEOUT_MS: String(PATIENCE_MS),
        ...env,
      },
      stdio: 'pipe',
    });
    const service = new ServiceProcess(child);
    createInterface(child.stdout!).on('line', (line) => service.lines.push(line));
    onTestFinished(async ({ task }) => {
      await service.kill('SIGKILL');
      if (task.result?.state === 'fail')
        console.log(`the last the service said:\n${service.lines.slice(-20).join('\n')}\n${service.stderr}`);
    });
    return service;
  }

  /** Spawns one and waits until it answers. */
  static async start(env: Record<string, string> = {}, folder?: string): Promise<ServiceProcess> {
    const service = await ServiceProcess.spawn(env, folder);
    service.url = await service.untilSaid(/answers on (https?:\/\/127\.0\.0\.1:\d+)/);
    return service;
  }

  /**
   * Resolves with the first group of the pattern once a line matches it.
   *
   * @throws when the service ends without having said that
   */
  async untilSaid(pattern: RegExp): Promise<string> {
    const said = () => this.lines.map((line) => pattern.exec(line)).find((found) => found !== null);
    await expect
      .poll(() => said() !== undefined || this.#hasEnded, { interval: 10, message: `says ${pattern}` })
      .toBe(true);
    const found = said();
    if (found === undefined) throw new Error(`the service ended and had not said ${pattern}: ${this.stderr}`);
    return found[1] ?? found[0];
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async kill(name: NodeJS.Signals): Promise<ProcessEnd> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(name);
    return this.ended;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Resident memory in bytes: now, and the most there has been (Linux). */
  memory(): { now: number; most: number } {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    const bytes = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)![1]) * 1024;
    return { now: bytes('VmRSS'), most: bytes('VmHWM') };
  }

  /** The most bytes its files may grow to from now on: beyond, the system refuses its writes, as a full disk does. */
  limitFileSize(bytes: number | 'unlimited'): void {
    execFileSync('prlimit', [`--pid=${this.#child.pid}`, `--fsize=${bytes}:unlimited`]);
  }

  async health(): Promise<{ status: number; body: string }> {
    const response = await fetch(`${this.url}/health`);
    return { status: response.status, body: await response.text() };
  }
}
