import { accounts } from '../../src/processing/ledger.ts';
import { GROUP, TOPIC } from './names.ts';
import type { Outlook } from './observer.ts';
import type { StoreWorld } from './store-world.ts';
import type { World } from './world.ts';

/** After so long it must be said that records wait: the patience of the progress, two of its polls, and one unanswered. */
export const SAID_WITHIN_MS = 15_000 + 2 * 2000 + 5000 + 500;

/** What is known of a partition in which records wait. */
interface Waiting {
  position: number;
  sinceMs: number;
}

/** Judges what instances say of themselves by what is so. Draws no random numbers, and changes nothing. */
export class HealthJudge {
  readonly violations: string[] = [];
  readonly #world: World;
  readonly #store: StoreWorld;
  readonly #waiting = new Map<number, Waiting>();

  constructor(world: World, store: StoreWorld) {
    this.#world = world;
    this.#store = store;
  }

  /** Notes in which partitions records wait. Looks now and then. */
  look(): void {
    const { now } = this.#world.scheduler;
    for (const [partition, { end }] of this.#partitions.entries()) {
      const position = this.#positionOf(partition);
      if (position >= end) this.#waiting.delete(partition);
      else if (this.#waiting.get(partition)?.position !== position)
        this.#waiting.set(partition, { position, sinceMs: now });
    }
  }

  /** H1: what has waited for long is said, and why, by each that is asked. */
  async judgeWaiting(asked: readonly Outlook[]): Promise<void> {
    const { now } = this.#world.scheduler;
    const waiting = [...this.#waiting];
    const mustBeSaid = waiting.find(([, { sinceMs }]) => now - sinceMs >= SAID_WITHIN_MS);
    if (mustBeSaid === undefined) return;
    const partitions = this.#partitions;
    const heldBack = waiting.filter(([at, { position }]) => position >= partitions[at]!.stable);
    this.#world.saw(
      heldBack.length > 0
        ? 'records held back for so long that it is said'
        : 'records that nobody stores for so long that it is said',
    );
    for (const { name, reason } of await reasonsOf(asked)) {
      const named = waiting.filter(([at]) => reason?.includes(`partition ${at}`));
      if (named.length === 0 && !this.#isOfPassedOver(reason))
        this.violations.push(`H1 records wait in partition ${mustBeSaid[0]}, but ${name} says: ${reason}`);
      const isHeldBack = heldBack.some((one) => named.includes(one));
      const isOther = isHeldBack ? reason?.includes('no member of group') : reason?.includes('held back by');
      if (isOther) this.violations.push(`H1 ${name} says, which is not so: ${reason}`);
    }
  }

  /** H4: an open transaction holds up the partitions that it is in, and no other. Only where members are up and nothing else is broken. */
  judgeHeldUp(): void {
    const { now } = this.#world.scheduler;
    for (const [at, { position, sinceMs }] of this.#waiting) {
      const { stable, end } = this.#partitions[at]!;
      if (now - sinceMs >= SAID_WITHIN_MS && stable === end)
        this.violations.push(
          `H4 partition ${at} is at ${position} of ${end}, held up by a transaction elsewhere`,
        );
    }
  }

  /** H3: what a hand passed over is in the ledger, and is never booked as anything else. */
  async judgeLedger(): Promise<void> {
    const passed = this.#passedOver();
    const positions = await this.#store.store.positions(GROUP, TOPIC);
    for (const { partition, unaccounted } of accounts(positions)) {
      const expected = passed.get(partition) ?? 0;
      if (unaccounted !== expected)
        this.violations.push(
          `H3 partition ${partition}: ${unaccounted} unaccounted for instead of ${expected}`,
        );
    }
  }

  /** @returns what somebody says, where all is at rest, that is not so: anything but what a hand passed over */
  async wronglySaid(asked: readonly Outlook[]): Promise<string | undefined> {
    const isPassedOver = this.#passedOver().size > 0;
    if (isPassedOver) this.#world.saw('moved past by hand, and said');
    const reasons = await reasonsOf(asked);
    const wrong = reasons.find(({ reason }) =>
      isPassedOver ? !this.#isOfPassedOver(reason) : reason !== undefined,
    );
    if (wrong === undefined) return undefined;
    const what = isPassedOver ? 'H3 a position was moved forward by hand' : 'H2 all is at rest';
    return `${what}, but ${wrong.name} says: ${wrong.reason ?? 'all is well'}`;
  }

  #isOfPassedOver(reason: string | undefined): boolean {
    return [...this.#passedOver()].some(([partition, count]) =>
      reason?.startsWith(`partition ${partition}: the position was moved past ${count} records`),
    );
  }

  /** By partition, how many offsets. */
  #passedOver(): Map<number, number> {
    const counts = new Map<number, number>();
    for (const { partition, from, to } of this.#store.passedOver)
      counts.set(partition, (counts.get(partition) ?? 0) + to - from);
    return counts;
  }

  get #partitions() {
    return this.#world.topics.get(TOPIC).partitions;
  }

  #positionOf(partition: number): number {
    const { topicId } = this.#world.topics.get(TOPIC);
    const isIt = (one: { topicId: string; partition: number }) =>
      one.topicId === topicId && one.partition === partition;
    return this.#store.positions().find(isIt)?.offset ?? 0;
  }
}

/** What is not well, as each says; undefined where all is. */
async function reasonsOf(asked: readonly Outlook[]): Promise<{ name: string; reason: string | undefined }[]> {
  return Promise.all(
    asked.map(async (outlook) => {
      const { log, store, consumer } = await outlook.check();
      const ill = [consumer, log, store].find(({ ok }) => !ok);
      return { name: outlook.process.name, reason: ill && (ill.reason ?? 'no reason') };
    }),
  );
}
