import { deadLetterTopic } from '../../src/dead-letters/dead-letter-records.ts';
import type { DeadLetterEntry, StoreBatch } from '../../src/store/event-store.ts';
import { eventIn } from './decoded.ts';
import type { Entry, PartitionLog } from './partition-log.ts';
import type { World } from './world.ts';

/**
 * Looks at each commit when it is made: whatever the position passes over is stored, set aside, or was never a record
 * that is to be read. Draws no random numbers, and changes nothing.
 */
export class CommitJudge {
  readonly violations: string[] = [];
  readonly #world: World;
  /** Dead letters that are in the store, by where they are from. */
  #origins = new Set<string>();

  constructor(world: World) {
    this.#world = world;
  }

  /** What was stored may be stored once more. */
  storeWentBack(): void {
    this.#origins = new Set();
  }

  /** Batches that were refused have left something behind. */
  remains(what: string): void {
    this.violations.push(`C2 refused, and stored in part: ${what}`);
  }

  look(batches: readonly StoreBatch[]): void {
    if (batches.length > 1) this.#world.saw('several partitions in a transaction');
    for (const batch of batches) this.#lookAt(batch);
  }

  #lookAt(batch: StoreBatch): void {
    const { topicId, partition, fromOffset, startOffset, nextOffset, lost, rewound } = batch;
    const log = this.#world.topics.ever.get(topicId)?.everPartitions[partition];
    if (log === undefined) {
      this.#violated(batch, 'of a partition that there is not');
      return;
    }
    const before = fromOffset ?? startOffset;
    const first = before + lost - rewound;
    for (let offset = before; offset < before + lost; offset++) {
      if (offset >= log.everEarliest)
        this.#violated(batch, `offset ${offset} counted as lost, and in the log`);
    }
    const found = this.#contents(batch, log);
    let holes = 0;
    for (let offset = first; offset < nextOffset; offset++) {
      if (found.has(offset)) continue;
      holes++;
      if (!isHole(log.everAt(offset), log))
        this.#violated(batch, `offset ${offset} passed over as if there was no record`);
    }
    if (batch.withoutRecord !== holes)
      this.#violated(batch, `${holes} offsets without record, but ${batch.withoutRecord} counted`);
    for (const offset of found) {
      if (offset < first || offset >= nextOffset)
        this.#violated(batch, `offset ${offset} is none of its own`);
    }
  }

  /** @returns the offsets that it has something of */
  #contents(batch: StoreBatch, log: PartitionLog): Set<number> {
    const offsets = new Set<number>();
    for (const { offset, key, json } of batch.events) {
      offsets.add(offset);
      const isThere = log.everAt(offset).some((entry) => {
        const event = log.wasVisible(entry) ? eventIn(entry.record!) : undefined;
        return event?.key === key && event.json === json;
      });
      if (!isThere) this.#violated(batch, `an event was stored that never was at offset ${offset}`);
    }
    for (const letter of batch.deadLetters) {
      offsets.add(letter.offset);
      this.#lookAtLetter(batch, letter, log);
    }
    return offsets;
  }

  #lookAtLetter(batch: StoreBatch, letter: DeadLetterEntry, log: PartitionLog): void {
    const { topic, topicId, partition } = batch;
    this.#world.saw('record set aside');
    const isJunk = log.everAt(letter.offset).some(({ record }) => record && eventIn(record) === undefined);
    if (!isJunk) this.#violated(batch, `good or no record set aside at offset ${letter.offset}`);
    const copies = this.#world.topics.get(deadLetterTopic(topic)).everPartitions[letter.deadLetterPartition];
    const isCopied = copies?.everAt(letter.deadLetterOffset).some(({ record }) => {
      const origin = record?.headers.find(([name]) => name === 'kafka_dlt-original-offset')?.[1];
      return origin?.toString() === String(letter.offset);
    });
    if (!isCopied)
      this.#violated(batch, `offset ${letter.offset} is not in the dead-letter topic where it should be`);
    const origin = `${topicId} ${partition} ${letter.offset}`;
    if (this.#origins.has(origin)) this.#world.saw('record set aside twice');
    this.#origins.add(origin);
  }

  #violated({ topicId, partition, fromOffset, nextOffset }: StoreBatch, what: string): void {
    this.violations.push(`C1 commit of ${topicId} ${partition} from ${fromOffset} to ${nextOffset}: ${what}`);
  }
}

/** Whether there was, at some time, nothing to be read. */
function isHole(ever: readonly Entry[], log: PartitionLog): boolean {
  return ever.some(
    ({ record, transaction }) =>
      record === undefined || (transaction !== undefined && log.everAborted.has(transaction)),
  );
}
