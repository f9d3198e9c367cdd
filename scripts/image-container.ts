import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { BUILDAH, buildah } from './image-base.ts';

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;

/** An image's run configuration. */
interface ImageConfig {
  User: string;
  Cmd: string[];
  Healthcheck: { Test: string[] };
}

/** Options of a run: additional environment variables, and mounts `SOURCE:TARGET[:ro]` with absolute paths. */
export interface RunOptions {
  environment: Record<string, string>;
  volumes?: string[] | undefined;
}

/** A container of an image. Its processes have the image's user, variables and files, and this machine's network. */
export class Container {
  readonly #name: string;
  readonly #config: ImageConfig;
  readonly #options: string[];
  #service: ChildProcess | undefined;
  #output = '';

  private constructor(name: string, config: ImageConfig, { environment, volumes = [] }: RunOptions) {
    this.#name = name;
    this.#config = config;
    this.#options = [
      ...Object.entries(environment).flatMap(([variable, value]) => ['--env', `${variable}=${value}`]),
      ...volumes.flatMap((volume) => ['--volume', volume]),
    ];
  }

  static async of(image: string, options: RunOptions): Promise<Container> {
    const { Docker } = JSON.parse(await buildah('inspect', '--type', 'image', image)) as {
      Docker: { config: ImageConfig };
    };
    // As many open files as a container engine allows: the tests open 10 000 connections.
    const name = await buildah('from', '--pull-never', '--ulimit', 'nofile=20000:20000', image);
    return new Container(name, Docker.config, options);
  }

  /** Resolves with the command's output. @throws Error unless it exits with 0 */
  async run(...command: string[]): Promise<string> {
    return buildah(...this.#run(command));
  }

  /** Runs the image's own health check once. @throws Error unless it exits with 0 */
  async checkHealth(): Promise<void> {
    const [kind, ...command] = this.#config.Healthcheck.Test;
    if (kind !== 'CMD') throw new Error(`the health check is of the kind ${kind}, not CMD`);
    await this.run(...command);
  }

  /** Starts the image's own command. */
  start(): void {
    // A process group of its own, so that all of it can be stopped.
    const service = spawn('buildah', [...BUILDAH.options, ...this.#run(this.#config.Cmd)], {
      env: BUILDAH.environment,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [service.stdout, service.stderr])
      stream.on('data', (text) => (this.#output += text));
    process.once('exit', () => this.#kill());
    this.#service = service;
  }

  /**
   * Resolves when the response is there and good. @throws Error with the service's output if it exits or is too slow
   */
  async until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    const giveUpAt = Date.now() + START_TIMEOUT_MS;
    while (!(await isSo())) {
      if (this.#hasEnded || Date.now() > giveUpAt) throw new Error(`${what}: not seen.\n${this.#output}`);
      await sleep(100);
    }
  }

  /** Resolves with the output of a service that exits by itself. @throws Error if it does not exit, or exits with 0 */
  async refusal(): Promise<string> {
    await this.#untilEnded();
    if (this.#service?.exitCode === 0) throw new Error(`ended with 0 instead of an error:\n${this.#output}`);
    return this.#output;
  }

  /** The user id the service runs as. */
  get userId(): string {
    return /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${this.#mainProcess()}/status`, 'utf8'))![1]!;
  }

  /** The user id named in the image. */
  get expectedUserId(): string {
    return this.#config.User.split(':')[0]!;
  }

  /** Stops the service as a container engine does. @throws Error unless it exits with 0 in time */
  async stop(): Promise<void> {
    process.kill(this.#mainProcess(), 'SIGTERM');
    await this.#untilEnded();
    if (this.#service?.exitCode !== 0) throw new Error(`did not stop cleanly at SIGTERM:\n${this.#output}`);
  }

  /** Stops whatever is running, and removes the container. */
  async remove(): Promise<void> {
    this.#kill();
    await this.#untilEnded();
    await buildah('rm', this.#name);
  }

  #run(command: string[]): string[] {
    return ['run', '--network', 'host', ...this.#options, this.#name, '--', ...command];
  }

  get #hasEnded(): boolean {
    return (
      this.#service === undefined || this.#service.exitCode !== null || this.#service.signalCode !== null
    );
  }

  async #untilEnded(): Promise<void> {
    if (this.#hasEnded) return;
    const timeout = AbortSignal.timeout(STOP_TIMEOUT_MS);
    await once(this.#service!, 'exit', { signal: timeout }).catch(() => {
      throw new Error(`still runs after ${STOP_TIMEOUT_MS / 1000} s:\n${this.#output}`);
    });
  }

  #kill(): void {
    if (!this.#hasEnded) process.kill(-this.#service!.pid!, 'SIGKILL');
  }

  /** The process that would be PID 1 in a container: the first one below buildah's own. */
  #mainProcess(): number {
    let pid = this.#service!.pid!;
    while (readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('buildah')) {
      const [child] = globSync(`/proc/${pid}/task/*/children`).flatMap(
        (path) => readFileSync(path, 'utf8').match(/\d+/g) ?? [],
      );
      if (!child) throw new Error(`nothing runs in the container:\n${this.#output}`);
      pid = Number(child);
    }
    return pid;
  }
}
