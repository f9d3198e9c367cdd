import type { Clock } from '../clock.ts';
import { describeCause } from '../describe-cause.ts';
import type { EventLog } from '../log/event-log.ts';
import type { ConsumerState } from '../processing/consumer.ts';
import type { EventStore } from '../store/event-store.ts';

/** How long a probe waits for log and store. */
export const CHECK_TIMEOUT_MS = 2000;
/** Probes closer together than this share the calls to log and store. */
export const SHARED_MS = 500;

/** The status of processing, seen from any process. */
export interface ConsumerStatus {
  readonly state: ConsumerState;
  /** Why it is recovering, if it is. */
  readonly reason: string | undefined;
  /** Partitions that have records and do not move. */
  readonly stalled: readonly number[];
  /** The log delivers nothing for now, since a quota is used up. */
  readonly isThrottled: boolean;
}

export interface Dependency {
  ok: boolean;
  /** Why not, for the operator. */
  reason?: string;
}

/** What the service can currently do. */
export interface HealthReport {
  log: Dependency;
  store: Dependency;
  /** Whether events are read and stored: by this instance or, if it only serves requests, by any member. */
  consumer: Dependency;
}

export const DEPENDENCIES = ['log', 'store', 'consumer'] as const satisfies (keyof HealthReport)[];

type Reached = Pick<HealthReport, 'log' | 'store'>;

interface HealthOptions {
  log: Pick<EventLog, 'ping'>;
  store: Pick<EventStore, 'ping'>;
  clock: Clock;
  /** Absent in an instance that only serves requests. */
  consumer(): ConsumerStatus | undefined;
  /** What keeps records from being stored, whichever instance should store them. */
  progress: { readonly problem: string | undefined };
  /** Why this instance cannot append, although the log may answer. */
  producer: { readonly problem: string | undefined; forgetFailures(): void };
}

/** Queries the dependencies directly, so that an outage and its end show at once. */
export class Health {
  readonly #options: HealthOptions;
  #reached: Promise<Reached> | undefined;
  #reachedAt = Number.NEGATIVE_INFINITY;
  readonly #changes = new Map<keyof HealthReport, { ok: boolean; at: Date }>();

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  /** Answers within two seconds, whatever the state of the dependencies. */
  async check(): Promise<HealthReport> {
    const { log, store } = await this.#reach();
    // The rest costs nothing, so it is never reused from an earlier check, such as one before the consumer started.
    const report = { log: this.#log(log), store, consumer: this.#consumer() };
    for (const dependency of DEPENDENCIES) {
      const { ok } = report[dependency];
      if (this.#changes.get(dependency)?.ok === ok) continue;
      this.#changes.set(dependency, { ok, at: this.#options.clock.date() });
    }
    return report;
  }

  /** When each dependency was first seen in the state it is in. */
  get changedAt(): Map<keyof HealthReport, Date> {
    return new Map([...this.#changes].map(([dependency, { at }]) => [dependency, at]));
  }

  #reach(): Promise<Reached> {
    const now = this.#options.clock.now();
    if (this.#reached === undefined || now - this.#reachedAt > SHARED_MS) {
      this.#reachedAt = now;
      this.#reached = reachBoth(this.#options);
    }
    return this.#reached;
  }

  #log(reached: Dependency): Dependency {
    const { producer } = this.#options;
    if (!reached.ok) producer.forgetFailures();
    const { problem } = producer;
    return problem === undefined ? reached : { ok: false, reason: problem };
  }

  #consumer(): Dependency {
    // One partition may fail here while records of another wait for a different reason.
    const reasons = [this.#whyNotConsuming(), this.#options.progress.problem].filter(
      (one) => one !== undefined,
    );
    return reasons.length === 0 ? { ok: true } : { ok: false, reason: reasons.join('; ') };
  }

  #whyNotConsuming(): string | undefined {
    const consumer = this.#options.consumer();
    if (consumer !== undefined && consumer.state !== 'consuming') {
      return consumer.reason ?? `the consumer is ${consumer.state}`;
    }
    if (consumer !== undefined && consumer.stalled.length > 0)
      return `no progress in ${consumer.stalled.map((partition) => `partition ${partition}`).join(', ')}`;
    return undefined;
  }
}

async function reachBoth({ log, store }: Pick<HealthOptions, 'log' | 'store'>): Promise<Reached> {
  const [reachedLog, reachedStore] = await Promise.all([
    reach(log.ping(CHECK_TIMEOUT_MS)),
    reach(store.ping(CHECK_TIMEOUT_MS)),
  ]);
  return { log: reachedLog, store: reachedStore };
}

async function reach(ping: Promise<void>): Promise<Dependency> {
  try {
    await ping;
    return { ok: true };
  } catch (error) {
    return { ok: false, reason: describeCause(error) };
  }
}
