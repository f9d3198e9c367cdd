// What the processes of one instance tell each other: the one that started them passes it on (`workers.ts`).
import cluster, { type Worker } from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import { AggregatorRegistry, type Registry } from 'prom-client';
import type { ConsumerStatus } from '../operations/health.ts';

export type Message =
  | { kind: 'ready' }
  | { kind: 'consumer'; view: ConsumerStatus }
  | { kind: 'ask-metrics'; id: number }
  | { kind: 'metrics'; id: number; text: string }
  | { kind: 'stop' };

/** Longer than a process takes to say how it is, shorter than an operator takes to look. */
const STATUS_INTERVAL_MS = 500;

/** One process of an instance, and its way to the others. */
export class WorkerChannel {
  /** How the process that processes events was when it last said so. */
  consumer: ConsumerStatus = { state: 'starting', reason: undefined, stalled: [] };
  readonly #worker: Worker;
  readonly #asked = new Map<number, (text: string) => void>();
  #asks = 0;

  private constructor(worker: Worker, stop: () => void) {
    this.#worker = worker;
    worker.on('message', (message: Message) => {
      if (message.kind === 'consumer') this.consumer = message.view;
      if (message.kind === 'metrics') this.#answer(message);
      if (message.kind === 'stop') stop();
    });
  }

  /** The link of this process; undefined where it is an instance by itself. */
  static open(stop: () => void): WorkerChannel | undefined {
    return cluster.worker && new WorkerChannel(cluster.worker, stop);
  }

  /** Told when this process has begun: it answers for its metrics from now on. */
  ready(registry: Registry): void {
    AggregatorRegistry.setRegistries(registry);
    // Its making is what listens for the question.
    new AggregatorRegistry();
    this.#worker.send({ kind: 'ready' } satisfies Message);
  }

  /** Tells the others how processing is, for as long as this process lives. */
  async reportStatus(consumer: ConsumerStatus): Promise<void> {
    while (this.#worker.isConnected()) {
      const { state, reason, stalled } = consumer;
      this.#worker.send({ kind: 'consumer', view: { state, reason, stalled } } satisfies Message);
      await sleep(STATUS_INTERVAL_MS, undefined, { ref: false });
    }
  }

  /** The metrics of all processes together. */
  metrics(): Promise<string> {
    const id = this.#asks++;
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#asked.set(id, resolve);
    this.#worker.send({ kind: 'ask-metrics', id } satisfies Message);
    return promise;
  }

  #answer({ id, text }: Extract<Message, { kind: 'metrics' }>): void {
    this.#asked.get(id)?.(text);
    this.#asked.delete(id);
  }
}
