import { TOPIC } from './names.ts';
import type { PartitionLog } from './partition-log.ts';
import type { StoreWorld } from './store-world.ts';
import type { LogState, Topic } from './topic.ts';
import type { World } from './world.ts';

/** Stands for the time in which a log is put back to an earlier state. */
const RESTORE_MS = 200;
/** How a log is cut: whatever is last is lost, or only the markers that are. */
export const LAST_OFFSETS = 'the last offsets';
export const BEHIND_LAST_RECORD = 'what lies behind the last record';
/** How a log is put back: what its leader epochs are then, and whether it took longer than any session lasts. */
const RESTORES: Record<string, { epochs: number; outlastsSessions: boolean }> = {
  'same epoch': { epochs: 0, outlastsSessions: true },
  'same epoch, within a session': { epochs: 0, outlastsSessions: false },
  'higher epoch': { epochs: 1, outlastsSessions: true },
  'much higher epoch': { epochs: 5, outlastsSessions: true },
};
export const RESTORE_HOWS = Object.keys(RESTORES);

/** A log that lost what was processed, for the states that are worth having seen. */
interface Loss {
  log: PartitionLog;
  processed: number;
  commits: number;
  sameEpoch: boolean;
}

/** What goes wrong with the log itself. */
export class LogFaults {
  readonly #world: World;
  readonly #store: StoreWorld;
  readonly #states: LogState[] = [];
  #losses: Loss[] = [];

  constructor(world: World, store: StoreWorld) {
    this.#world = world;
    this.#store = store;
  }

  /** Keeps the log as it is, to be put back later. */
  keep(): void {
    this.#states.push(this.#world.topics.state());
  }

  /** Every broker says all that it holds. */
  heal(): void {
    for (const { partitions } of this.#world.topics.all()) for (const log of partitions) log.sayAll();
    this.#world.logChanged();
  }

  get hasOpenTransaction(): boolean {
    return this.#topic.partitions.some(({ openTransactions }) => openTransactions.length > 0);
  }

  /** Rolls back whatever is open, as an administrator does whose producer never comes back. */
  endTransactions(): void {
    for (const { partitions } of this.#world.topics.all()) {
      for (const log of partitions) {
        for (const transaction of log.openTransactions) log.finish(transaction, 'aborted');
      }
    }
    this.#world.logChanged();
  }

  cut(where: number, count: number, how: string): void {
    const log = this.#partition(where);
    const before = this.#processed();
    if (how === BEHIND_LAST_RECORD && log.lastRecordEnd < log.realEnd)
      this.#world.saw('log cut behind the last record');
    log.cut(how === BEHIND_LAST_RECORD ? log.lastRecordEnd : log.realEnd - count);
    log.elect();
    this.#noteLosses(before, false);
    this.#world.logChanged();
  }

  restore(steps: number, how: string): void {
    const world = this.#world;
    const state = this.#states.at(-1 - steps) ?? this.#states[0];
    if (state === undefined) return;
    const until = world.scheduler.now + RESTORE_MS;
    world.breakConnections();
    world.conditions.breakOff({ process: undefined, dependency: 'log', until, hangs: false });
    world.at(RESTORE_MS / 2, () => {
      const before = this.#processed();
      world.topics.restore(state);
      const { epochs, outlastsSessions } = RESTORES[how]!;
      if (outlastsSessions) world.groups.allSessionsEnd();
      for (const { partitions } of world.topics.all()) for (const log of partitions) log.elect(epochs);
      world.saw('log restored');
      this.#noteLosses(before, epochs === 0);
    });
  }

  elect(where: number): void {
    this.#partition(where).elect();
  }

  sayTooLow(where: number, count: number, ms: number): void {
    const log = this.#partition(where);
    const processed = this.#processed().find((one) => one.log === log)?.processed ?? 0;
    if (log.realEnd - count < processed)
      this.#world.saw('end said too low by a broker that has just started');
    this.#world.breakConnections();
    log.sayEnd(log.realEnd - count);
    this.#world.at(ms, () => {
      log.sayAll();
      this.#world.logChanged();
    });
  }

  /** Deletes all but the last offsets of a partition. */
  retain(where: number, count: number): void {
    const log = this.#partition(where);
    const processed = this.#processed().find((one) => one.log === log)?.processed ?? 0;
    log.deleteBefore(log.stable - count);
    if (log.earliest > processed) this.#world.saw('retention passed a position');
    this.#world.logChanged();
  }

  createAgain(partitions: number): void {
    this.#world.topics.create(TOPIC, partitions);
    this.#world.saw('topic created again');
    this.#changed();
  }

  /** @param ms after which the group divides it once more */
  grow(ms: number): void {
    this.#world.topics.grow(TOPIC);
    this.#world.saw('topic has grown');
    this.#world.at(ms, () => this.#world.groups.topicChanged(TOPIC));
  }

  /** Called when records were appended. */
  noteAppended(): void {
    for (const { log, processed, commits, sameEpoch } of this.#losses) {
      if (log.realEnd <= processed || this.#store.commits > commits) continue;
      this.#world.saw('log cut and written again past a position');
      if (sameEpoch) this.#world.saw('log cut and written again by a leader of the same epoch');
    }
  }

  get #topic(): Topic {
    return this.#world.topics.get(TOPIC);
  }

  #partition(where: number): PartitionLog {
    const { partitions } = this.#topic;
    return partitions[where % partitions.length]!;
  }

  #changed(): void {
    this.#world.groups.topicChanged(TOPIC);
    this.#world.logChanged();
  }

  /** How far each partition of the topic was processed. */
  #processed(): { log: PartitionLog; processed: number }[] {
    const { topicId, partitions } = this.#topic;
    return this.#store.positions().flatMap(({ topicId: id, partition, offset }) => {
      const log = partitions[partition];
      return id === topicId && log !== undefined && offset !== null ? [{ log, processed: offset }] : [];
    });
  }

  #noteLosses(before: readonly { log: PartitionLog; processed: number }[], sameEpoch: boolean): void {
    const { commits } = this.#store;
    for (const { log, processed } of before) {
      if (log.realEnd >= processed) continue;
      this.#world.saw('log cut below a position');
      this.#losses.push({ log, processed, commits, sameEpoch });
    }
  }
}
