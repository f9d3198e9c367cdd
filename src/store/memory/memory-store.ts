import { randomBytes } from 'node:crypto';
import type { Landmark } from '../../log/landmarks.ts';
import {
  type BatchOutcome,
  type Claim,
  type DeadLetter,
  type DeadLetterEntry,
  type DeadLetterQuery,
  type EventRecord,
  type EventStore,
  FencedError,
  isSameEvent,
  mergeOutcomes,
  type PartitionPosition,
  READ_BYTES,
  type ReadFilter,
  type ReadQuery,
  type StoreBatch,
  type StoredEvent,
  type StoreOutcome,
  type TimedEvent,
  type TimeRange,
  type TimeReadQuery,
  type TopicRef,
  type Watermarks,
} from '../event-store.ts';
import { MemoryCounts } from './counts.ts';
import { MemoryEvents } from './events.ts';
import { MemoryRetention } from './retention.ts';
import { MemoryTimeOrder } from './time-order.ts';

interface Position extends TopicRef, PartitionPosition {
  landmarks: readonly Landmark[];
}

/** Keeps events in memory: rebuilt from the start of the topic at each start, lost when the process ends. */
export class MemoryStore implements EventStore {
  readonly storeId = `m${randomBytes(4).toString('hex')}-`;
  readonly #events = new MemoryEvents();
  readonly #byTime = new MemoryTimeOrder(this.#events);
  readonly counts = new MemoryCounts(this.#events, this.#byTime);
  readonly retention = new MemoryRetention({
    events: this.#events,
    byTime: this.#byTime,
    counts: this.counts,
    fence: () => {
      for (const claimed of this.#positions.values()) claimed.epoch++;
    },
    wasRemoved: (key) => {
      const sequence = this.#keys.get(packed(key));
      return sequence !== undefined && !this.#events.has(sequence);
    },
    removeDeadLetters: (before, limit) => this.#removeDeadLetters(before, limit),
  });
  /** Key, as of `packed`, to sequence, also of removed events. */
  readonly #keys = new Map<string, number>();
  /** By sequence; most events come once. */
  readonly #repeats = new Map<number, Pick<EventRecord, 'duplicates' | 'conflicts'>>();
  readonly #positions = new Map<string, Position>();
  #deadLetters: (DeadLetter & { group: string })[] = [];
  #deadLettersEver = 0;
  /** By the record that was dead-lettered. */
  readonly #deadLetterOf = new Map<string, DeadLetter>();

  async claim(ref: TopicRef, partitions: readonly number[]): Promise<Claim[]> {
    return partitions.map((partition) => {
      const key = positionKey(ref, partition);
      const position = this.#positions.get(key) ?? newPosition(ref, partition);
      position.epoch++;
      this.#positions.set(key, position);
      const { epoch, offset, rewound, landmarks } = position;
      const earlier = this.#of(ref.group, ref.topic).some(({ topicId }) => topicId !== ref.topicId);
      return {
        epoch,
        offset,
        rewound,
        topicRecreated: earlier && offset === null,
        landmarks: [...landmarks],
        otherTopics: this.#topicsBeside(ref.topic),
        keptDays: this.retention.days,
      };
    });
  }

  async process(batches: readonly StoreBatch[]): Promise<StoreOutcome> {
    // All or none.
    for (const batch of batches) {
      const position = this.#positions.get(positionKey(batch, batch.partition));
      const isHeld = position?.epoch === batch.epoch && position.offset === batch.fromOffset;
      if (!isHeld || position.rewound !== batch.fromRewound) throw new FencedError(batch);
    }
    return mergeOutcomes(batches.map((batch) => this.#processOne(batch)));
  }

  async get(keys: readonly string[]): Promise<Map<string, EventRecord>> {
    const found = keys.map((key) => [key, this.#keys.get(packed(key)) ?? 0] as const);
    const there = found.filter(([, sequence]) => this.#events.has(sequence));
    return new Map(there.map(([key, sequence]) => [key, this.#record(sequence)]));
  }

  async watermarks(): Promise<Watermarks> {
    return { latest: this.#events.count, stable: this.#events.count };
  }

  async read({
    order,
    after,
    upTo,
    limit,
    bytes: most = READ_BYTES,
    times,
    ...filter
  }: ReadQuery): Promise<StoredEvent[]> {
    const first = after + 1;
    const last = Math.min(upTo, this.#events.count);
    const found: StoredEvent[] = [];
    let bytes = 0;
    for (let step = 0; step <= last - first && found.length < limit && bytes < most; step++) {
      const sequence = order === 'asc' ? first + step : last - step;
      if (!this.#events.has(sequence) || !this.#isSelected(sequence, filter)) continue;
      if (times && !isWithin(this.#events.time(sequence), times)) continue;
      const json = this.#events.json(sequence);
      found.push({ sequence, json });
      bytes += json.length;
    }
    return found;
  }

  async readByTime({ order, after, before, limit, ...query }: TimeReadQuery): Promise<TimedEvent[]> {
    const { bytes: most = READ_BYTES } = query;
    const found: TimedEvent[] = [];
    let bytes = 0;
    for (const sequence of this.#byTime.between(after, before, order)) {
      if (!this.#isSelected(sequence, query)) continue;
      const json = this.#events.json(sequence);
      found.push({ sequence, time: this.#events.time(sequence), json });
      bytes += json.length;
      if (found.length === limit || bytes >= most) break;
    }
    return found;
  }

  async positions(group: string, topic: string): Promise<PartitionPosition[]> {
    return this.#of(group, topic).map(
      ({ group: _group, topic: _topic, landmarks: _landmarks, ...position }) => position,
    );
  }

  async deadLetters(group: string, query: DeadLetterQuery): Promise<DeadLetter[]> {
    const { before = Number.POSITIVE_INFINITY, ids, key, reason, waiting, limit } = query;
    return this.#deadLetters
      .filter((letter) => letter.group === group && letter.id < before)
      .filter(({ id }) => ids === undefined || ids.includes(id))
      .filter((letter) => key === undefined || letter.key === key)
      .filter((letter) => reason === undefined || letter.reason === reason)
      .filter(({ redrivenAt }) => !waiting || redrivenAt === null)
      .slice(-limit)
      .reverse()
      .map(({ group: _group, ...letter }) => letter);
  }

  async countWaiting(group: string): Promise<Map<string, number>> {
    const waiting = this.#deadLetters.filter((one) => one.group === group && one.redrivenAt === null);
    const byReason = Map.groupBy(waiting, ({ reason }) => reason);
    return new Map([...byReason].map(([reason, letters]) => [reason, letters.length]));
  }

  async markRedriven(group: string, ids: readonly number[], at: Date): Promise<void> {
    for (const letter of this.#deadLetters) {
      if (letter.group === group && ids.includes(letter.id)) letter.redrivenAt = at;
    }
  }

  async ping(): Promise<void> {}

  async close(): Promise<void> {}

  #isSelected(sequence: number, { userId, eventTypes }: ReadFilter): boolean {
    if (userId !== undefined && this.#events.userId(sequence) !== userId) return false;
    return eventTypes === undefined || eventTypes.includes(this.#events.eventType(sequence));
  }

  #processOne(batch: StoreBatch): BatchOutcome {
    const position = this.#positions.get(positionKey(batch, batch.partition))!;
    const storedAt = Date.now();
    let conflicts = 0;
    const expired: string[] = [];
    const stored = batch.events.map((event) => {
      const key = packed(event.key);
      const known = this.#keys.get(key);
      if (known !== undefined && !this.#events.has(known)) {
        expired.push(event.key);
        return false;
      }
      if (known !== undefined) {
        if (this.#noteRepeat(known, event.json)) conflicts++;
        return false;
      }
      const sequence = this.#events.add(event, batch.partition, storedAt);
      this.#keys.set(key, sequence);
      this.counts.add(event, sequence);
      return true;
    });
    const storedCount = stored.filter(Boolean).length;
    position.offset = batch.nextOffset;
    position.stored += storedCount;
    position.duplicates += stored.length - storedCount - expired.length;
    position.deadLettered += batch.deadLetters.length;
    position.startOffset ??= batch.startOffset;
    position.withoutRecord += batch.withoutRecord;
    position.expired += batch.expired + expired.length;
    position.lost += batch.lost;
    position.rewound += batch.rewound;
    position.landmarks = batch.landmarks;
    for (const entry of batch.deadLetters) this.#addDeadLetter(batch, entry);
    return { stored, conflicts, expired };
  }

  #removeDeadLetters(before: Date, limit: number): number {
    const old = this.#deadLetters.filter((letter) => letter.deadLetteredAt < before).slice(0, limit);
    const removed = new Set<DeadLetter>(old);
    this.#deadLetters = this.#deadLetters.filter((letter) => !removed.has(letter));
    for (const [record, letter] of this.#deadLetterOf)
      if (removed.has(letter)) this.#deadLetterOf.delete(record);
    return old.length;
  }

  #addDeadLetter({ group, topic, topicId, partition }: StoreBatch, entry: DeadLetterEntry): void {
    const record = [group, topicId, partition, entry.offset, entry.digest].join(' ');
    const known = this.#deadLetterOf.get(record);
    const { deadLetterPartition, deadLetterOffset } = entry;
    if (known !== undefined) Object.assign(known, { deadLetterPartition, deadLetterOffset });
    else {
      const { digest: _digest, ...listed } = entry;
      const id = ++this.#deadLettersEver;
      const letter = { ...listed, id, group, topic, partition, redrivenAt: null };
      this.#deadLetters.push(letter);
      this.#deadLetterOf.set(record, letter);
    }
  }

  /** @returns whether it conflicts with the stored event */
  #noteRepeat(sequence: number, json: string): boolean {
    const conflicts = !isSameEvent(this.#events.json(sequence), json);
    const repeats = this.#repeats.get(sequence) ?? { duplicates: 0, conflicts: 0 };
    repeats.duplicates++;
    if (conflicts) repeats.conflicts++;
    this.#repeats.set(sequence, repeats);
    return conflicts;
  }

  #record(sequence: number): EventRecord {
    const repeats = this.#repeats.get(sequence) ?? { duplicates: 0, conflicts: 0 };
    return { json: this.#events.json(sequence), ...this.#events.origin(sequence), ...repeats };
  }

  #topicsBeside(topic: string): string[] {
    const others = [...this.#positions.values()].filter((one) => one.topic !== topic && one.stored > 0);
    return [...new Set(others.map((one) => one.topic))];
  }

  #of(group: string, topic: string): Position[] {
    return [...this.#positions.values()].filter(
      (position) => position.group === group && position.topic === topic,
    );
  }
}

function newPosition(ref: TopicRef, partition: number): Position {
  return {
    ...ref,
    partition,
    epoch: 0,
    offset: null,
    landmarks: [],
    startOffset: null,
    stored: 0,
    duplicates: 0,
    deadLettered: 0,
    withoutRecord: 0,
    expired: 0,
    lost: 0,
    rewound: 0,
  };
}

function positionKey({ group, topic, topicId }: TopicRef, partition: number): string {
  return JSON.stringify([group, topic, topicId, partition]);
}

/** A UUID in 16 characters instead of 36. */
function packed(key: string): string {
  return Buffer.from(key.replaceAll('-', ''), 'hex').toString('latin1');
}

function isWithin(time: number, { from, to }: TimeRange): boolean {
  return time >= from && time < to;
}
