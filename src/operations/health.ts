import type { Clock } from '../clock.ts';
import { describeCause } from '../describe-cause.ts';
import type { EventLog } from '../log/event-log.ts';
import type { ConsumerState } from '../processing/consumer.ts';
import type { EventStore } from '../store/event-store.ts';

const CHECK_TIMEOUT_MS = 2000;
/** Probes that come closer together share one check. */
const FRESH_MS = 500;

/** How processing is, seen from whichever process. */
export interface ConsumerStatus {
  readonly state: ConsumerState;
  /** Why it is recovering, if it is. */
  readonly reason: string | undefined;
  /** Partitions that have records and do not move. */
  readonly stalled: readonly number[];
}

export interface Dependency {
  ok: boolean;
  /** Why not, for an operator. */
  reason?: string;
}

/** What the service could do just now. */
export interface HealthReport {
  log: Dependency;
  store: Dependency;
  /** Follows the log and stores what it reads; in an instance that only answers requests, whether anybody does. */
  consumer: Dependency;
}

export interface HealthOptions {
  log: Pick<EventLog, 'ping'>;
  store: Pick<EventStore, 'ping'>;
  clock: Clock;
  /** Gives none in an instance that only answers requests. */
  consumer(): ConsumerStatus | undefined;
  /** What keeps records from being stored, whoever should store them. */
  progress: { readonly problem: string | undefined };
}

/** Asks the dependencies themselves, so that an outage shows at once and so does its end. */
export class Health {
  readonly #options: HealthOptions;
  #latest: Promise<HealthReport> | undefined;
  #checkedAt = Number.NEGATIVE_INFINITY;

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  /** Answers within two seconds, whatever state the dependencies are in. */
  check(): Promise<HealthReport> {
    const now = this.#options.clock.now();
    if (this.#latest === undefined || now - this.#checkedAt > FRESH_MS) {
      this.#checkedAt = now;
      this.#latest = this.#check();
    }
    return this.#latest;
  }

  async #check(): Promise<HealthReport> {
    const [log, store] = await Promise.all([
      reach(this.#options.log.ping(CHECK_TIMEOUT_MS)),
      reach(this.#options.store.ping(CHECK_TIMEOUT_MS)),
    ]);
    const reason = this.#whyNotConsuming();
    return { log, store, consumer: reason === undefined ? { ok: true } : { ok: false, reason } };
  }

  #whyNotConsuming(): string | undefined {
    const consumer = this.#options.consumer();
    if (consumer !== undefined && consumer.state !== 'consuming') {
      return consumer.reason ?? `the consumer is ${consumer.state}`;
    }
    if (consumer !== undefined && consumer.stalled.length > 0)
      return `no progress in partition ${consumer.stalled}`;
    return this.#options.progress.problem;
  }
}

async function reach(ping: Promise<void>): Promise<Dependency> {
  try {
    await ping;
    return { ok: true };
  } catch (error) {
    return { ok: false, reason: describeCause(error) };
  }
}
