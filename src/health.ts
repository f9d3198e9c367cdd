import type { ConsumerState } from './consumer.ts';
import type { EventLog } from './log/event-log.ts';
import type { EventStore } from './store/event-store.ts';

const CHECK_TIMEOUT_MS = 2000;
/** Probes that come closer together share one check. */
const FRESH_MS = 500;

/** How processing is, seen from whichever process. */
export interface ConsumerView {
  readonly state: ConsumerState;
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
  /** Follows the log and stores what it reads. */
  consumer: Dependency;
}

/** Asks the dependencies themselves, so that an outage shows at once and so does its end. */
export class Health {
  readonly #log: EventLog;
  readonly #store: EventStore;
  readonly #consumer: () => ConsumerView | undefined;
  #latest: Promise<HealthReport> | undefined;
  #checkedAt = 0;

  /** @param consumer gives none in an instance that only answers requests: consuming is then not its job */
  constructor(log: EventLog, store: EventStore, consumer: () => ConsumerView | undefined) {
    this.#log = log;
    this.#store = store;
    this.#consumer = consumer;
  }

  /** Answers within two seconds, whatever state the dependencies are in. */
  check(): Promise<HealthReport> {
    const now = Date.now();
    if (this.#latest === undefined || now - this.#checkedAt > FRESH_MS) {
      this.#checkedAt = now;
      this.#latest = this.#check();
    }
    return this.#latest;
  }

  async #check(): Promise<HealthReport> {
    const [log, store] = await Promise.all([
      reach(this.#log.ping(CHECK_TIMEOUT_MS)),
      reach(this.#store.ping(CHECK_TIMEOUT_MS)),
    ]);
    const { state, stalled } = this.#consumer() ?? { state: 'consuming', stalled: [] };
    if (stalled.length > 0)
      return { log, store, consumer: { ok: false, reason: `no progress in partition ${stalled}` } };
    const consumer = state === 'consuming' ? { ok: true } : { ok: false, reason: `the consumer is ${state}` };
    return { log, store, consumer };
  }
}

async function reach(ping: Promise<void>): Promise<Dependency> {
  try {
    await ping;
    return { ok: true };
  } catch (error) {
    return { ok: false, reason: (error as Error).message };
  }
}
