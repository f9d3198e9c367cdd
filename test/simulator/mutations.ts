import type { Mutation } from '../faults/mutations.ts';

const consumer = 'src/processing/consumer.ts';
const startPosition = 'src/processing/start-position.ts';
const memoryStore = 'src/store/memory/memory-store.ts';
const progress = 'src/processing/progress.ts';
const watchdog = 'src/processing/watchdog.ts';
const FENCED = "this.#restartReading([batch!.partition], 'this batch no longer continues from there');";
const HOLE = 'if (fetchedFrom > position.next || topicId !== position.topicId) {';
const IS_HELD = 'if (!isHeld || position.rewound !== batch.fromRewound) throw new FencedError(batch);';
const CLAIM_AND_GO_ON = `{
          const { topic, topicId, partition } = batch!;
          const [claim] = await this.#options.store.claim({ group: this.#options.group, topic, topicId }, [partition]);
          const { epoch, offset, rewound } = claim!;
          const position = this.#positions.get(partition)!;
          this.#positions.set(partition, { ...position, epoch, rewound, stored: offset, next: offset ?? 0 });
        }`;

/** Faults that the code had, and guarantees that it gives: each put back, or taken out, must be found by histories. */
export const MUTATIONS: Record<string, Mutation[]> = {
  'after a lost claim, goes on behind the store': [
    { file: consumer, from: FENCED, to: CLAIM_AND_GO_ON },
    { file: consumer, from: HOLE, to: 'if (topicId !== position.topicId) {' },
  ],
  'after a lost claim, claims without looking at the log': [
    { file: consumer, from: FENCED, to: CLAIM_AND_GO_ON },
  ],
  'after a lost claim, does not read again': [{ file: consumer, from: FENCED, to: '' }],
  'a hole is stored as without record': [
    { file: consumer, from: HOLE, to: 'if (topicId !== position.topicId) {' },
    {
      file: 'src/processing/processor.ts',
      from: 'nextOffset - Math.max(firstOffset, fetchedFrom) - records.length',
      to: 'nextOffset - firstOffset - records.length',
    },
    { file: consumer, from: FENCED, to: CLAIM_AND_GO_ON },
  ],
  'no restart after a hole, and nobody who notices': [
    { file: consumer, from: FENCED, to: CLAIM_AND_GO_ON },
    {
      file: consumer,
      from: "this.#restartReading([partition], 'a batch does not continue from there');",
      to: '',
    },
    { file: watchdog, from: 'this.#options.stalled(this.#stalled);', to: '' },
  ],
  'a rewind is not noticed when idle': [
    { file: watchdog, from: 'if (moved.length > 0) this.#options.moved(moved);', to: '' },
  ],
  'an open transaction looks like the end of the log': [
    {
      file: progress,
      from: 'for (const [partition, { end }] of this.#ends?.ends ?? []) {',
      to: 'for (const [partition, { stable: end }] of this.#ends?.ends ?? []) {',
    },
  ],
  'a partition whose start is not known yet holds up the others of its member': [
    {
      file: 'src/processing/assigned-starts.ts',
      from: 'if (!(error instanceof NotKnownYetError)) throw error;',
      to: 'throw error;',
    },
  ],
  'records that nobody stores are not said': [
    { file: progress, from: 'if (unmovedMs < PATIENCE_MS) continue;', to: 'if (heldBack === 0) continue;' },
  ],
  'an instance is ill only of what it does itself': [
    {
      file: 'src/operations/health.ts',
      from: '[this.#whyNotConsuming(), this.#options.progress.problem]',
      to: '[this.#whyNotConsuming()]',
    },
  ],
  'what a hand passed over is not said': [
    { file: progress, from: 'if (unaccounted > 0)', to: 'if (unaccounted < 0)' },
  ],
  'what a hand passed over is said only where the topic still has the partition': [
    {
      file: progress,
      from: 'of accounts(this.#positions ?? [])) {',
      to: 'of this.partitions) {',
    },
  ],
  'a claim books what nobody accounts for as without record': [
    {
      file: memoryStore,
      from: 'position.epoch++;',
      to: `position.epoch++;
      position.withoutRecord = Math.max(
        position.withoutRecord,
        (position.offset ?? 0) - (position.startOffset ?? 0) + position.rewound
          - position.stored - position.duplicates - position.deadLettered - position.lost,
      );`,
    },
  ],
  'what was processed is not looked for in the log': [
    {
      file: startPosition,
      from: 'return isRecordOf(newest, record);',
      to: 'return true;',
    },
  ],
  'the end of the log is believed for as long as a claim takes': [
    {
      file: startPosition,
      from: 'if (newest === undefined || newest.offset < earliest) return true;',
      to: 'if (newest === undefined || newest.offset < earliest || newest.offset >= end) return true;',
    },
  ],
  'what the log does not show yet counts as held': [
    { file: startPosition, from: 'throw new NotKnownYetError(offset);', to: 'return true;' },
  ],
  'a tail begins with events that the store has lost meanwhile': [
    { file: 'src/query/live-tail.ts', from: '({ sequence }) => sequence <= stable', to: '() => true' },
  ],
  'an epoch that the log has forgotten is asked for': [
    {
      file: 'src/log/landmarks.ts',
      from: 'last?.offset === offset ? leaderEpoch : NO_EPOCH',
      to: 'leaderEpoch',
    },
  ],
  'what held no record is not read again': [
    {
      file: startPosition,
      from: 'return { offset: newest.offset + 1, leaderEpoch: newest.leaderEpoch };',
      to: 'return { offset, leaderEpoch: NO_EPOCH };',
    },
    {
      file: startPosition,
      from: 'return { offset: earliest, leaderEpoch: NO_EPOCH };',
      to: 'return { offset, leaderEpoch: NO_EPOCH };',
    },
  ],
  'a position is its offset alone': [
    { file: memoryStore, from: '!isHeld || position.rewound !== batch.fromRewound', to: '!isHeld' },
    {
      file: watchdog,
      from: 'if (row.offset === stored && row.rewound === rewound) return false;',
      to: 'if (row.offset === stored) return false;',
    },
  ],
  'an old end of the log counts as a loss (found by torture)': [
    { file: startPosition, from: 'offset > end && !(await assigned.hasOffset(offset))', to: 'offset > end' },
  ],
  'commit before store': [
    {
      file: consumer,
      from: 'await this.#options.processor.process(claimed);',
      to: `await this.#options.processor.process(claimed.map((one) => ({ ...one, batch: { ...one.batch, records: [] } })));
      await this.#options.processor.process(
        claimed.map((one) => {
          const { nextOffset, records } = one.batch;
          const fromRewound = one.fromRewound + one.rewound;
          return { ...one, fromOffset: nextOffset, fromRewound, rewound: records.length, firstOffset: nextOffset - records.length };
        }),
      );`,
    },
  ],
  'no fencing': [
    { file: memoryStore, from: IS_HELD, to: 'if (position === undefined) throw new FencedError(batch);' },
  ],
  'no position in the transaction': [
    {
      file: memoryStore,
      from: 'position.offset = batch.nextOffset;',
      to: 'position.offset ??= batch.nextOffset;',
    },
  ],
  'several batches, not all or none': [
    { file: memoryStore, from: IS_HELD, to: '' },
    {
      file: memoryStore,
      from: 'return mergeOutcomes(batches.map((batch) => this.#processOne(batch)));',
      to: `return mergeOutcomes(batches.map((batch) => {
        const position = this.#positions.get(positionKey(batch, batch.partition));
        if (position?.epoch !== batch.epoch || position.offset !== batch.fromOffset) throw new FencedError(batch);
        return this.#processOne(batch);
      }));`,
    },
  ],
  'a dead letter after the position': [
    {
      file: 'src/processing/processor.ts',
      from: 'sendToDeadLetterTopic(log, group, batch, rejected)),',
      to: `{
        sendToDeadLetterTopic(log, group, batch, rejected).catch(() => {});
        return rejected.map(({ record, reason, detail }) => ({
          key: null, offset: record.offset, digest: '', reason, detail, attempt: 1, deadLetteredAt: new Date(),
          deadLetterPartition: 0, deadLetterOffset: record.offset,
        }));
      }),`,
    },
  ],
  'the live tail misses what is stored again': [
    {
      file: 'src/query/live-tail.ts',
      from: 'stable < this.#readUpTo || !isUnchanged ||',
      to: 'stable < this.#readUpTo ||',
    },
  ],
};
