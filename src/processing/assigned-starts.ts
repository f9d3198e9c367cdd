// In: the partitions assigned to this member. Out: each claimed in the store, and where reading it starts.
import type { AssignedPartition, EventLog } from '../log/event-log.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Claim, EventStore } from '../store/event-store.ts';
import type { Retrier } from './retrier.ts';
import { NotKnownYetError, reportFinding, resolveStart, type StartDecision } from './start-position.ts';

interface AssignedStartsOptions {
  log: EventLog;
  store: EventStore;
  topic: string;
  group: string;
  logger: Logger;
  metrics: Pick<Metrics, 'dataGaps' | 'logRewinds'>;
  retrier: Retrier;
  /** Of its own: a partition may stay undecided for hours, and an outage meanwhile must be said as any other. */
  undecided: Retrier;
}

interface AssignedStart {
  described: AssignedPartition;
  claim: Claim;
  start: StartDecision;
}

/** Claims assigned partitions, and decides where each starts. */
export class AssignedStarts {
  readonly #options: AssignedStartsOptions;
  /** Partitions whose start the log did not show yet, and what that is called in the log and in health. */
  readonly #undecided = new Map<number, string>();
  #saidOtherTopics = false;

  constructor(options: AssignedStartsOptions) {
    this.#options = options;
  }

  /**
   * Retries as long as needed.
   *
   * @param restart aborted when it is worth deciding again
   * @returns the partitions that can be read; none if the consumer is stopped before the store can be reached
   */
  async decide(assigned: readonly AssignedPartition[], restart: AbortController): Promise<AssignedStart[]> {
    this.#forgetOthers(assigned);
    this.#countFromZero(assigned);
    const claims = assigned.length === 0 ? [] : await this.#claim(assigned);
    const starts: AssignedStart[] = [];
    for (const [at, claim] of claims.entries()) {
      const described = assigned[at]!;
      const start = await this.#resolve(described, claim, restart);
      if (start === undefined) continue;
      const { topic, partition } = described;
      if (claim.topicRecreated) {
        this.#options.logger.warn(
          { topic, partition },
          '[Consumer] The topic was recreated: reading it from its start',
        );
      }
      if (start.finding !== undefined) reportFinding(described, start.finding, this.#options);
      starts.push({ described, claim, start });
    }
    return starts;
  }

  /** @returns nothing if the log does not show it yet: the other partitions are read, and the log is asked again later */
  async #resolve(
    described: AssignedPartition,
    claim: Claim,
    restart: AbortController,
  ): Promise<StartDecision | undefined> {
    const { partition } = described;
    const what = `partition ${partition} cannot be read`;
    const { log, undecided } = this.#options;
    try {
      const start = await resolveStart(described, claim, log);
      if (this.#undecided.delete(partition)) undecided.recordSuccess(what);
      return start;
    } catch (error) {
      if (!(error instanceof NotKnownYetError)) throw error;
      this.#undecided.set(partition, what);
      void undecided.backOff(what, error).then(() => restart.abort());
      return undefined;
    }
  }

  /** Partitions of other members are not this one's failures. */
  #forgetOthers(assigned: readonly AssignedPartition[]): void {
    for (const [partition, what] of this.#undecided) {
      if (assigned.some((own) => own.partition === partition)) continue;
      this.#undecided.delete(partition);
      this.#options.undecided.recordSuccess(what);
    }
  }

  #countFromZero(assigned: readonly AssignedPartition[]): void {
    const { dataGaps, logRewinds } = this.#options.metrics;
    for (const { partition } of assigned) {
      dataGaps.inc({ partition }, 0);
      logRewinds.inc({ partition }, 0);
    }
  }

  /** @returns nothing if it is stopped before the store can be reached */
  async #claim(assigned: readonly AssignedPartition[]): Promise<Claim[]> {
    const { topic, topicId } = assigned[0]!;
    const ref = { group: this.#options.group, topic, topicId };
    const numbers = assigned.map(({ partition }) => partition);
    const claiming = () => this.#options.store.claim(ref, numbers);
    const claims = (await this.#options.retrier.retryForever('the store cannot be reached', claiming)) ?? [];
    const others = claims[0]?.otherTopics ?? [];
    if (others.length > 0 && !this.#saidOtherTopics) {
      this.#saidOtherTopics = true;
      this.#options.logger.warn(
        { topic, others },
        '[Consumer] This database also holds events of other topics: an eventId is stored once across all of them. Give each topic a schema or a database of its own to keep them apart',
      );
    }
    return claims;
  }
}
