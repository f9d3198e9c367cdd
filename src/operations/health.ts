import type { Clock } from '../clock.ts';
import { describeCause } from '../describe-cause.ts';
import type { EventLog } from '../log/event-log.ts';
import type { ConsumerState } from '../processing/consumer.ts';
import type { EventStore } from '../store/event-store.ts';

const CHECK_TIMEOUT_MS = 2000;
/** Probes closer together than this share one check. */
const FRESH_MS = 500;

/** The status of processing, seen from any process. */
export interface ConsumerStatus {
  readonly state: ConsumerState;
  /** Why it is recovering, if it is. */
  readonly reason: string | undefined;
  /** Partitions that have records and do not move. */
  readonly stalled: readonly number[];
}

export interface Dependency {
  ok: boolean;
  /** The reason for the operator, if not. */
  reason?: string;
}

/** What the service can currently do. */
export interface HealthReport {
  log: Dependency;
  store: Dependency;
  /** Reads the log and stores its events; in an instance that only serves requests, whether any member does. */
  consumer: Dependency;
}

interface HealthOptions {
  log: Pick<EventLog, 'ping'>;
  store: Pick<EventStore, 'ping'>;
  clock: Clock;
  /** Absent in an instance that only serves requests. */
  consumer(): ConsumerStatus | undefined;
  /** What keeps records from being stored, whichever instance should store them. */
  progress: { readonly problem: string | undefined };
}

/** Queries the dependencies directly, so that an outage and its end show at once. */
export class Health {
  readonly #options: HealthOptions;
  #latest: Promise<HealthReport> | undefined;
  #checkedAt = Number.NEGATIVE_INFINITY;

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  /** Answers within two seconds, whatever the state of the dependencies. */
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
