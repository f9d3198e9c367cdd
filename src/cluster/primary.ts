// In: settings. Out: an instance of several processes: some serve requests on one port, one processes events.
import cluster, { type Worker } from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import { AggregatorRegistry } from 'prom-client';
import type { Config } from '../config/config.ts';
import type { Logger } from '../observability/logger.ts';
import type { Message } from './worker-channel.ts';

const RESTART_PAUSE_MS = 1000;

type Role = 'api' | 'consumer';

/** Starts the worker processes and restarts any that exit unexpectedly. */
export class Workers {
  readonly #logger: Logger;
  readonly #roles: Role[];
  readonly #metrics = new AggregatorRegistry();
  readonly #running = new Set<Worker>();
  readonly #failed = Promise.withResolvers<number>();
  #stopping = false;

  constructor({ workers, ROLE }: Config, logger: Logger) {
    this.#logger = logger;
    const api = Array.from({ length: workers }, () => 'api' as const);
    this.#roles = ROLE === 'api' ? api : [...api, 'consumer'];
  }

  /** Resolves with an exit code when a process fails to start: the cause affects all of them. */
  get failed(): Promise<number> {
    return this.#failed.promise;
  }

  start(): void {
    // Workers accept connections from one shared queue. With round-robin, a connection assigned to a process that has
    // just died is never answered.
    cluster.schedulingPolicy = cluster.SCHED_NONE;
    for (const role of this.#roles) this.#begin(role);
  }

  /** Makes the processes reload the API keys and the certificate. */
  reload(): void {
    for (const worker of this.#running) worker.process.kill('SIGHUP');
  }

  /** Resolves when all processes have finished their work. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const ends = [...this.#running].map((worker) => new Promise((ended) => worker.once('exit', ended)));
    // Not by a signal: one from a terminal has already reached them, and a second would kill them at once.
    this.#tellAll({ kind: 'stop' });
    await Promise.all(ends);
  }

  #begin(role: Role): void {
    const worker = cluster.fork({ ROLE: role, WORKERS: '0' });
    this.#running.add(worker);
    let wasReady = false;
    worker.on('message', (message: Message) => {
      if (message.kind === 'ready') wasReady = true;
      if (message.kind === 'consumer') this.#tellAll(message);
      if (message.kind === 'ask-metrics') this.#tellMetrics(worker, message.id);
    });
    worker.once('exit', (code, signal) => this.#ended(worker, role, { code, signal, wasReady }));
  }

  async #ended(
    worker: Worker,
    role: Role,
    { code, signal, wasReady }: { code: number | null; signal: string | null; wasReady: boolean },
  ): Promise<void> {
    this.#running.delete(worker);
    if (this.#stopping) return;
    if (!wasReady && signal === null) {
      this.#failed.resolve(code ?? 1);
      return;
    }
    this.#logger.error({ role, code, signal }, 'A process exited unexpectedly: restarting it');
    if (role === 'consumer') {
      const reason = 'the process that processes events has ended and is being restarted';
      this.#tellAll({
        kind: 'consumer',
        view: { state: 'recovering', reason, stalled: [], isThrottled: false },
      });
    }
    await sleep(RESTART_PAUSE_MS);
    if (!this.#stopping) this.#begin(role);
  }

  async #tellMetrics(worker: Worker, id: number): Promise<void> {
    const collected = await this.#metrics.clusterMetrics().then(
      (text) => ({ text }),
      (error: Error) => ({ problem: error.message }),
    );
    if (worker.isConnected()) worker.send({ kind: 'metrics', id, ...collected } satisfies Message);
  }

  #tellAll(message: Message): void {
    for (const worker of this.#running) if (worker.isConnected()) worker.send(message);
  }
}
