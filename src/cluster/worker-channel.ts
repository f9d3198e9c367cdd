// Messages between the processes of one instance; the primary forwards them (`primary.ts`).
import cluster, { type Worker } from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import { AggregatorRegistry, type Registry } from 'prom-client';
import type { ConsumerStatus } from '../operations/health.ts';

export type Message =
  | { kind: 'ready' }
  | { kind: 'consumer'; view: ConsumerStatus }
  | { kind: 'ask-metrics'; id: number }
  | ({ kind: 'metrics'; id: number } & CollectedMetrics)
  | { kind: 'stop' };

/** In the Prometheus format, or why they could not be collected. */
type CollectedMetrics = { text: string } | { problem: string };

/** Longer than a process takes to report its status, shorter than an operator takes to look. */
const STATUS_INTERVAL_MS = 500;

/** One process of an instance, and its channel to the others. */
export class WorkerChannel {
  /** The last status reported by the process that processes events. */
  consumer: ConsumerStatus = { state: 'starting', reason: undefined, stalled: [], isThrottled: false };
  readonly #worker: Worker;
  readonly #asked = new Map<number, (collected: CollectedMetrics) => void>();
  #asks = 0;

  private constructor(worker: Worker, stop: () => void) {
    this.#worker = worker;
    worker.on('message', (message: Message) => {
      if (message.kind === 'consumer') this.consumer = message.view;
      if (message.kind === 'metrics') this.#answer(message);
      if (message.kind === 'stop') stop();
    });
  }

  /** The channel of this process; undefined if the instance has a single process. */
  static open(stop: () => void): WorkerChannel | undefined {
    return cluster.worker && new WorkerChannel(cluster.worker, stop);
  }

  /** Called when this process has started: from now on it reports its metrics. */
  ready(registry: Registry): void {
    AggregatorRegistry.setRegistries(registry);
    // Constructing it installs the listener for metrics requests.
    new AggregatorRegistry();
    this.#worker.send({ kind: 'ready' } satisfies Message);
  }

  /** Reports the status of processing to the others for as long as this process lives. */
  async reportStatus(consumer: ConsumerStatus): Promise<void> {
    while (this.#worker.isConnected()) {
      const { state, reason, stalled, isThrottled } = consumer;
      this.#worker.send({
        kind: 'consumer',
        view: { state, reason, stalled, isThrottled },
      } satisfies Message);
      await sleep(STATUS_INTERVAL_MS, undefined, { ref: false });
    }
  }

  /** The metrics of all processes together. @throws Error if one of them does not answer in time */
  async metrics(): Promise<string> {
    const id = this.#asks++;
    const { promise, resolve } = Promise.withResolvers<CollectedMetrics>();
    this.#asked.set(id, resolve);
    this.#worker.send({ kind: 'ask-metrics', id } satisfies Message);
    const collected = await promise;
    if ('problem' in collected) throw new Error(collected.problem);
    return collected.text;
  }

  #answer(message: Extract<Message, { kind: 'metrics' }>): void {
    this.#asked.get(message.id)?.(message);
    this.#asked.delete(message.id);
  }
}
