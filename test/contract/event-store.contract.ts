import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { eventKey } from '../../src/events/event.ts';
import { accounts } from '../../src/processing/ledger.ts';
import { readAll as readAllOf } from '../../src/query/event-query.ts';
import {
  ALL_KEPT,
  type DeadLetterEntry,
  type EventStore,
  type EventToStore,
  FencedError,
} from '../../src/store/event-store.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { newBatch, newEvent, TOPIC } from '../support/store-batches.ts';
import { eventReadingContract } from './event-reading.contract.ts';
import { intervalCountsContract } from './interval-counts.contract.ts';
import { knownValuesContract } from './known-values.contract.ts';
import { occurrencesContract } from './occurrences.contract.ts';
import { questionsContract } from './questions.contract.ts';
import { retentionContract } from './retention.contract.ts';
import { timeOrderContract } from './time-order.contract.ts';

/** What an adapter's test file gives: a store on fresh ground, and a second look at the same ground. */
export interface StoreHarness {
  store: EventStore;
  /** Another writer or reader of the same data at the same time. */
  second(): Promise<EventStore>;
  /** What an operator does by hand, where there is a database to do it in. */
  sql?(text: string): Promise<void>;
}

interface StoreFeatures {
  /** Data outlives the process. */
  durable: boolean;
  /** What `src/query` answers from a store is asked, too; default: true. */
  questions?: boolean;
}

function event(name: string, key: string = randomUUID()): EventToStore {
  return newEvent({ key, json: JSON.stringify({ name }) });
}

function deadLetter(offset: number, reason = 'not-json', digest = 'digest'): DeadLetterEntry {
  const deadLetteredAt = new Date('2024-02-14T10:30:00.000Z');
  return {
    key: null,
    offset,
    digest,
    reason,
    detail: 'why',
    attempt: 1,
    deadLetteredAt,
    deadLetterPartition: 2,
    deadLetterOffset: offset + 100,
  };
}

async function readAll(store: EventStore): Promise<string[]> {
  return (await Array.fromAsync(readAllOf(store))).flat().map(({ json }) => json);
}

/** The contract of `EventStore`: every adapter passes all of it. */
export function eventStoreContract(open: () => Promise<StoreHarness>, features: StoreFeatures): void {
  it('has no position for a partition nobody has processed', async () => {
    const { store } = await open();
    const nothing = {
      epoch: 1,
      offset: null,
      rewound: 0,
      topicRecreated: false,
      landmarks: [],
      otherTopics: [],
      keptDays: ALL_KEPT,
    };
    expect(await store.claim(TOPIC, [0, 2])).toEqual([nothing, nothing]);
  });

  it('stores events in the order of the batch and returns them oldest first', async () => {
    const { store } = await open();
    await store.claim(TOPIC, [0]);
    const events = ['a', 'b', 'c'].map((name) => event(name));
    expect(await store.process([newBatch(events)])).toEqual({
      stored: [[true, true, true]],
      conflicts: 0,
      expired: [],
    });
    await store.process([newBatch([event('d')], { fromOffset: 3, nextOffset: 4 })]);
    expect(await readAll(store)).toEqual([...events.map(({ json }) => json), '{"name":"d"}']);
  });

  it('stores batches of several partitions together, an event that is in two of them once', async () => {
    const { store } = await open();
    await store.claim(TOPIC, [0, 1, 2]);
    const shared = event('shared');
    const [a, b] = [event('a'), event('b')];
    const together = [
      newBatch([a, shared]),
      newBatch([shared, b], { partition: 1, startOffset: 7, nextOffset: 10, withoutRecord: 1 }),
      newBatch([], { partition: 2, nextOffset: 1, deadLetters: [deadLetter(0)] }),
    ];
    expect(await store.process(together)).toEqual({
      stored: [[true, true], [false, true], []],
      conflicts: 0,
      expired: [],
    });
    expect(await readAll(store)).toEqual([a, shared, b].map(({ json }) => json));
    expect((await store.get([b.key])).get(b.key)).toMatchObject({ partition: 1 });
    expect(await store.positions('group', 'topic')).toMatchObject([
      {
        partition: 0,
        startOffset: 0,
        offset: 2,
        stored: 2,
        duplicates: 0,
        deadLettered: 0,
        withoutRecord: 0,
      },
      {
        partition: 1,
        startOffset: 7,
        offset: 10,
        stored: 1,
        duplicates: 1,
        deadLettered: 0,
        withoutRecord: 1,
      },
      {
        partition: 2,
        startOffset: 0,
        offset: 1,
        stored: 0,
        duplicates: 0,
        deadLettered: 1,
        withoutRecord: 0,
      },
    ]);
    expect(await store.deadLetters('group', { limit: 10 })).toMatchObject([{ partition: 2, offset: 0 }]);
  });

  it('stores none of several batches when another writer has claimed the partition of one', async () => {
    const { store, second } = await open();
    const other = await second();
    await store.claim(TOPIC, [0, 1]);
    await other.claim(TOPIC, [1]);
    const letter = { deadLetters: [deadLetter(0)] };
    const mine = newBatch([event('mine')], { ...letter, nextOffset: 2 });
    const theirs = newBatch([event('theirs')], { partition: 1 });
    await expect(store.process([mine, theirs])).rejects.toThrow(new FencedError(theirs));
    expect(await readAll(store)).toEqual([]);
    expect(await store.deadLetters('group', { limit: 10 })).toEqual([]);
    expect(await store.positions('group', 'topic')).toMatchObject([
      { partition: 0, offset: null, stored: 0 },
      { partition: 1, offset: null, stored: 0 },
    ]);
    expect(await store.process([mine])).toEqual({ stored: [[true]], conflicts: 0, expired: [] });
  });

  it('knows where an event came from, and what came again, the same or another', async () => {
    const { store } = await open();
    await store.claim(TOPIC, [0]);
    const before = Date.now();
    const key = randomUUID();
    const json = (timestamp: string, name: string) => `{"timestamp":"${timestamp}","name":"${name}"}`;
    const at = (offset: number, text: string) => ({ ...event('x', key), offset, json: text });
    await store.process([newBatch([at(0, json('1', 'a')), at(1, json('2', 'a')), at(2, json('3', 'b'))])]);
    const other = { ...event('other'), offset: 3 };
    const later = [at(4, json('4', 'a')), at(5, json('5', 'b')), at(6, json('6', 'b')), other];
    expect(await store.process([newBatch(later, { fromOffset: 3, nextOffset: 7 })])).toEqual({
      stored: [[false, false, false, true]],
      conflicts: 2,
      expired: [],
    });
    const found = await store.get([key, other.key]);
    expect(found.get(key)).toEqual({
      json: json('1', 'a'),
      partition: 0,
      offset: 0,
      duplicates: 5,
      conflicts: 3,
      storedAt: expect.any(Date),
    });
    expect(found.get(other.key)).toMatchObject({ offset: 3, duplicates: 0, conflicts: 0 });
    expect(found.get(key)!.storedAt!.getTime()).toBeGreaterThanOrEqual(before);
    expect(found.get(other.key)!.storedAt!.getTime()).toBeLessThanOrEqual(Date.now());
    expect(await store.positions('group', 'topic')).toMatchObject([{ stored: 2, duplicates: 5 }]);
  });

  it('stores an event delivered twice only once, the first body winning', async () => {
    const { store } = await open();
    await store.claim(TOPIC, [0]);
    const key = randomUUID();
    const first = newBatch([event('first', key), event('second', key), event('other')]);
    expect(await store.process([first])).toEqual({
      stored: [[true, false, true]],
      conflicts: 1,
      expired: [],
    });
    const later = newBatch([event('third', key)], { fromOffset: 3, nextOffset: 9 });
    expect(await store.process([later])).toEqual({ stored: [[false]], conflicts: 1, expired: [] });
    expect(await readAll(store)).toEqual(['{"name":"first"}', '{"name":"other"}']);
  });

  it('moves the position and the counts with the events', async () => {
    const { store } = await open();
    await store.claim(TOPIC, [0]);
    const key = randomUUID();
    const deadLetters = [deadLetter(2)];
    await store.process([newBatch([event('a', key), event('b', key)], { nextOffset: 3, deadLetters })]);
    expect(await store.positions('group', 'topic')).toEqual([
      {
        topicId: 'topic-id-1',
        partition: 0,
        startOffset: 0,
        offset: 3,
        stored: 1,
        duplicates: 1,
        deadLettered: 1,
        withoutRecord: 0,
        expired: 0,
        lost: 0,
        rewound: 0,
        epoch: 1,
      },
    ]);
    expect(await store.claim(TOPIC, [0])).toMatchObject([{ epoch: 2, offset: 3, topicRecreated: false }]);
  });

  it('accounts for every offset since reading began', async () => {
    const { store } = await open();
    await store.claim(TOPIC, [0]);
    await store.process([newBatch([event('a')], { startOffset: 10, nextOffset: 13, withoutRecord: 2 })]);
    const later = { fromOffset: 13, startOffset: 20, nextOffset: 22, lost: 7, withoutRecord: 1 };
    await store.process([newBatch([event('b')], later)]);
    const [position] = await store.positions('group', 'topic');
    expect(position).toMatchObject({ startOffset: 10, offset: 22, stored: 2, withoutRecord: 3, lost: 7 });
  });

  it('keeps what the last records are recognised by with the position', async () => {
    const { store } = await open();
    await store.claim(TOPIC, [0]);
    const landmarks = [
      { offset: 4000, leaderEpoch: 7, digest: 'abc_-9' },
      { offset: 12, leaderEpoch: -1, digest: 'xyz' },
    ];
    await store.process([newBatch([event('a')], { nextOffset: 4001, landmarks })]);
    expect(await store.claim(TOPIC, [0])).toMatchObject([{ offset: 4001, landmarks }]);
  });

  it('accounts for offsets that are passed once more after the log went back', async () => {
    const { store } = await open();
    await store.claim(TOPIC, [0]);
    await store.process([newBatch([event('a'), event('b'), event('c')])]);
    const again = { fromOffset: 3, startOffset: 1, nextOffset: 2, rewound: 2 };
    await store.process([newBatch([event('d')], again)]);
    // The same offset as once before, with other events: not the same position.
    const stale = { fromOffset: 2, fromRewound: 0, nextOffset: 3 };
    await expect(store.process([newBatch([event('e')], stale)])).rejects.toThrow(FencedError);
    expect(await store.claim(TOPIC, [0])).toMatchObject([{ offset: 2, rewound: 2 }]);
    const positions = await store.positions('group', 'topic');
    expect(positions).toMatchObject([{ startOffset: 0, offset: 2, stored: 4, rewound: 2, lost: 0 }]);
    expect(accounts(positions)).toMatchObject([{ passed: 4, stored: 4, unaccounted: 0 }]);
  });

  it('says which other topics it holds events of', async () => {
    const { store } = await open();
    await store.claim(TOPIC, [0]);
    expect(await store.claim({ ...TOPIC, topic: 'second' }, [0])).toMatchObject([{ otherTopics: [] }]);
    await store.process([newBatch([event('a')])]);
    expect(await store.claim({ ...TOPIC, topic: 'second' }, [0])).toMatchObject([{ otherTopics: ['topic'] }]);
    expect(await store.claim({ ...TOPIC, group: 'other' }, [0])).toMatchObject([{ otherTopics: [] }]);
  });

  it('finds events by key', async () => {
    const { store } = await open();
    await store.claim(TOPIC, [0]);
    const [a, b] = [event('a'), event('b')];
    await store.process([newBatch([a, b])]);
    expect(await store.get([b.key, randomUUID(), a.key])).toEqual(
      new Map([
        [a.key, expect.objectContaining({ json: a.json })],
        [b.key, expect.objectContaining({ json: b.json })],
      ]),
    );
    expect(await store.get([])).toEqual(new Map());
  });

  it('moves the position over a batch without records', async () => {
    const { store } = await open();
    await store.claim(TOPIC, [0]);
    expect(await store.process([newBatch([], { nextOffset: 5 })])).toEqual({
      stored: [[]],
      conflicts: 0,
      expired: [],
    });
    expect(await store.claim(TOPIC, [0])).toMatchObject([{ offset: 5 }]);
  });

  it('refuses a writer whose partition was claimed by another, and stores nothing of it', async () => {
    const { store, second } = await open();
    const other = await second();
    await store.claim(TOPIC, [0]);
    await other.claim(TOPIC, [0]);
    await expect(store.process([newBatch([event('late')])])).rejects.toThrow(FencedError);
    await other.process([newBatch([event('rightful')], { epoch: 2 })]);
    expect(await readAll(store)).toEqual(['{"name":"rightful"}']);
    expect(await store.positions('group', 'topic')).toMatchObject([{ offset: 1, stored: 1 }]);
  });

  it('refuses a batch that does not continue from the position', async () => {
    const { store } = await open();
    await store.claim(TOPIC, [0]);
    await store.process([newBatch([event('a')])]);
    await expect(store.process([newBatch([event('again')])])).rejects.toThrow(FencedError);
    await expect(store.process([newBatch([event('gap')], { fromOffset: 5, nextOffset: 6 })])).rejects.toThrow(
      FencedError,
    );
    expect(await readAll(store)).toEqual(['{"name":"a"}']);
  });

  it('refuses a batch of a partition that was never claimed', async () => {
    const { store } = await open();
    await expect(store.process([newBatch([event('a')])])).rejects.toThrow(FencedError);
    expect(await readAll(store)).toEqual([]);
  });

  it('lets one of two writers win when both process the same batch at once', async () => {
    const { store, second } = await open();
    const other = await second();
    await store.claim(TOPIC, [0]);
    const same = newBatch([event('a'), event('b')]);
    const outcomes = await Promise.allSettled([store.process([same]), other.process([same])]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await readAll(store)).toHaveLength(2);
  });

  it('lets different partitions be processed at once, and an event in two of them is stored once', async () => {
    const { store, second } = await open();
    const other = await second();
    await store.claim(TOPIC, [0, 1]);
    const shared = event('shared');
    const outcomes = await Promise.all([
      store.process([newBatch([event('a'), shared])]),
      other.process([newBatch([event('b'), shared], { partition: 1 })]),
    ]);
    expect(outcomes.flatMap(({ stored }) => stored.flat()).filter((stored) => !stored)).toHaveLength(1);
    expect((await readAll(store)).filter((json) => json === shared.json)).toHaveLength(1);
  });

  it('keeps positions of groups, topics and partitions apart', async () => {
    const { store } = await open();
    await store.claim(TOPIC, [0]);
    await store.process([newBatch([event('a')])]);
    for (const other of [
      { ...TOPIC, group: 'other' },
      { ...TOPIC, topic: 'other' },
    ]) {
      expect(await store.positions(other.group, other.topic)).toEqual([]);
      // Their topic was not recreated: nothing of an earlier one is theirs.
      expect(await store.claim({ ...other, topicId: 'topic-id-2' }, [0])).toMatchObject([
        { epoch: 1, offset: null, topicRecreated: false },
      ]);
    }
    expect(await store.claim(TOPIC, [1, 0])).toMatchObject([{ offset: null }, { offset: 1 }]);
  });

  it('tells a topic that was created anew from the one before', async () => {
    const { store } = await open();
    await store.claim(TOPIC, [0]);
    await store.process([newBatch([event('a')])]);
    const recreated = { ...TOPIC, topicId: 'topic-id-2' };
    expect(await store.claim(recreated, [0])).toMatchObject([
      { epoch: 1, offset: null, topicRecreated: true },
    ]);
    await store.process([newBatch([event('b')], { ...recreated })]);
    expect(await store.claim(recreated, [0])).toMatchObject([{ offset: 1, topicRecreated: false }]);
    expect(await readAll(store)).toHaveLength(2);
  });

  it('returns what was stored byte for byte', async () => {
    const { store } = await open();
    await store.claim(TOPIC, [0]);
    const json =
      '{"payload":{"b": 9007199254740993,"a":1e400,"zero":-0,"nul":"\\u0000","half":"\\ud800","emoji":"😀","tab":"\\t\\"\\\\",\n"b":1.0}}';
    await store.process([newBatch([{ ...event('x'), userId: 'user-😀"\'\\', json }])]);
    expect(await readAll(store)).toEqual([json]);
  });

  it('returns more than fits a page, without gap or repetition', async () => {
    const { store } = await open();
    await store.claim(TOPIC, [0]);
    const events = Array.from({ length: 2501 }, (_, number) => event(String(number)));
    await store.process([newBatch(events)]);
    expect(await readAll(store)).toEqual(events.map(({ json }) => json));
  });

  it('ends a reading at what was there when it began', async () => {
    const { store } = await open();
    await store.claim(TOPIC, [0]);
    await store.process([newBatch(Array.from({ length: 1500 }, (_, number) => event(String(number))))]);
    const reading = readAllOf(store);
    const first = await reading.next();
    await store.process([newBatch([event('later')], { fromOffset: 1500, nextOffset: 1501 })]);
    const rest = (await Array.fromAsync(reading)).flat();
    expect(first.value!.length + rest.length).toBe(1500);
    expect(rest.at(-1)!.json).toBe(event('1499').json);
  });

  it('lists what was set aside, newest first and page by page', async () => {
    const { store } = await open();
    await store.claim(TOPIC, [0, 1]);
    await store.process([
      newBatch([], { nextOffset: 3, deadLetters: [deadLetter(0), deadLetter(1), deadLetter(2, 'empty')] }),
    ]);
    await store.process([newBatch([], { partition: 1, nextOffset: 1, deadLetters: [deadLetter(0)] })]);
    const all = await store.deadLetters('group', { limit: 10 });
    expect(all.map(({ partition, offset }) => [partition, offset])).toEqual([
      [1, 0],
      [0, 2],
      [0, 1],
      [0, 0],
    ]);
    const { digest: _digest, ...listed } = deadLetter(2, 'empty');
    expect(all[1]).toEqual({
      ...listed,
      id: all[1]!.id,
      topic: 'topic',
      partition: 0,
      redrivenAt: null,
    });
    const page = await store.deadLetters('group', { limit: 2 });
    expect(page).toEqual(all.slice(0, 2));
    expect(await store.deadLetters('group', { limit: 2, before: page[1]!.id })).toEqual(all.slice(2));
    expect(await store.deadLetters('group', { limit: 10, reason: 'empty' })).toEqual([all[1]]);
    expect(await store.deadLetters('group', { limit: 10, ids: [all[3]!.id, all[0]!.id, 9999] })).toEqual([
      all[0],
      all[3],
    ]);
    expect(await store.deadLetters('group', { limit: 10, ids: [] })).toEqual([]);
    expect(await store.deadLetters('other', { limit: 10 })).toEqual([]);
  });

  it('finds the dead letters of an event by its key', async () => {
    const { store } = await open();
    await store.claim(TOPIC, [0]);
    const [key, other] = [randomUUID(), randomUUID()];
    const deadLetters = [{ ...deadLetter(0), key }, { ...deadLetter(1), key: other }, deadLetter(2)];
    await store.process([newBatch([], { nextOffset: 3, deadLetters })]);
    expect(await store.deadLetters('group', { limit: 10, key })).toMatchObject([{ key, offset: 0 }]);
    expect(await store.deadLetters('group', { limit: 10, key: randomUUID() })).toEqual([]);
  });

  it('lists a record once, where its newest copy is, and another record at its offset as well', async () => {
    const { store } = await open();
    await store.claim(TOPIC, [0]);
    await store.process([newBatch([], { nextOffset: 1, deadLetters: [deadLetter(0)] })]);
    const [first] = await store.deadLetters('group', { limit: 10 });
    // The log was put back and is read again: the copy of then may be gone with it.
    const copy = {
      ...deadLetter(0),
      deadLetterPartition: 1,
      deadLetterOffset: 7,
      deadLetteredAt: new Date(),
    };
    const again = { fromOffset: 1, nextOffset: 1, rewound: 1 };
    await store.process([newBatch([], { ...again, deadLetters: [copy] })]);
    const listed = { ...first!, deadLetterPartition: 1, deadLetterOffset: 7 };
    expect(await store.deadLetters('group', { limit: 10 })).toEqual([listed]);
    const other = deadLetter(0, 'empty', 'of another record');
    await store.process([newBatch([], { ...again, fromRewound: 1, deadLetters: [other] })]);
    expect(await store.deadLetters('group', { limit: 10 })).toMatchObject([
      { offset: 0, reason: 'empty' },
      listed,
    ]);
  });

  it('remembers what was redriven', async () => {
    const { store } = await open();
    await store.claim(TOPIC, [0]);
    await store.process([newBatch([], { nextOffset: 2, deadLetters: [deadLetter(0), deadLetter(1)] })]);
    const [second, first] = await store.deadLetters('group', { limit: 10 });
    const at = new Date('2024-02-15T00:00:00.000Z');
    await store.markRedriven('other', [second!.id], at);
    await store.markRedriven('group', [first!.id, 9999], at);
    expect(await store.deadLetters('group', { limit: 10, waiting: true })).toEqual([second]);
    expect(await store.deadLetters('group', { limit: 10 })).toEqual([second, { ...first, redrivenAt: at }]);
  });

  it('counts the dead letters of a group that wait, by reason', async () => {
    const { store } = await open();
    expect(await store.countWaiting('group')).toEqual(new Map());
    await store.claim(TOPIC, [0]);
    const deadLetters = ['empty', 'not-json', 'not-json', 'empty'].map((reason, at) =>
      deadLetter(at, reason),
    );
    await store.process([newBatch([], { nextOffset: 4, deadLetters })]);
    const [latest] = await store.deadLetters('group', { limit: 1 });
    await store.markRedriven('group', [latest!.id], new Date());
    expect(await store.countWaiting('group')).toEqual(
      new Map([
        ['empty', 1],
        ['not-json', 2],
      ]),
    );
    expect(await store.countWaiting('other')).toEqual(new Map());
  });

  eventReadingContract(open);
  timeOrderContract(open);
  knownValuesContract(open);
  intervalCountsContract(open);
  occurrencesContract(open);
  retentionContract(open);
  if (features.questions ?? true) questionsContract(open);

  it('answers a ping, and closes twice without complaint', async () => {
    const { store } = await open();
    await store.ping(PATIENCE_MS);
    await store.close();
    await store.close();
  });

  // Not skipped but absent: a store that forgets has nothing to show here.
  if (!features.durable) return;

  describe('durability', () => {
    it('shows another reader everything as soon as it is processed', async () => {
      const { store, second } = await open();
      await store.claim(TOPIC, [0]);
      await store.process([newBatch([event('a')])]);
      const other = await second();
      expect(await readAll(other)).toEqual(['{"name":"a"}']);
      expect(await other.claim(TOPIC, [0])).toMatchObject([{ epoch: 2, offset: 1, topicRecreated: false }]);
    });

    it('stores nothing of a batch that fails half-way', async () => {
      const { store } = await open();
      await store.claim(TOPIC, [0]);
      const broken = { ...event('b'), json: null as unknown as string };
      await expect(store.process([newBatch([event('a'), broken])])).rejects.toThrow();
      expect(await readAll(store)).toEqual([]);
      expect(await store.positions('group', 'topic')).toMatchObject([{ offset: null, stored: 0 }]);
      await store.process([newBatch([event('a')])]);
    });
  });

  describe('when somebody changes it by hand', () => {
    async function processed(): Promise<StoreHarness & { sql: (text: string) => Promise<void> }> {
      const harness = await open();
      await harness.store.claim(TOPIC, [0]);
      await harness.store.process([newBatch(['a', 'b', 'c', 'd'].map((name) => event(name, keyOf(name))))]);
      return { ...harness, sql: harness.sql! };
    }

    const ledger = async ({ store }: StoreHarness) => accounts(await store.positions('group', 'topic'));

    it.each(['1', 'null'])('books a position that was moved back to %s as rewound', async (offset) => {
      const harness = await processed();
      await harness.sql(`update positions set next_offset = ${offset}`);
      expect(await ledger(harness)).toMatchObject([{ unaccounted: 0 }]);
      const [claim] = await harness.store.claim(TOPIC, [0]);
      const from = offset === 'null' ? null : 1;
      expect(claim).toMatchObject({ epoch: 2, offset: from });
      const again = ['a', 'b', 'c', 'd'].slice(from ?? 0).map((name) => event(name, keyOf(name)));
      const { rewound: fromRewound } = claim!;
      const place = { epoch: 2, fromOffset: from, fromRewound, startOffset: from ?? 0, nextOffset: 4 };
      await harness.store.process([newBatch(again, place)]);
      const passedTwice = 4 - (from ?? 0);
      expect(await ledger(harness)).toMatchObject([
        { passed: 4 + passedTwice, stored: 4, duplicates: passedTwice, rewound: passedTwice, unaccounted: 0 },
      ]);
      expect(await readAll(harness.store)).toHaveLength(4);
    });

    it('shows what nobody accounts for when a position was moved forward, until it is moved back', async () => {
      const harness = await processed();
      await harness.sql('update positions set next_offset = 24');
      expect(await ledger(harness)).toMatchObject([{ passed: 24, unaccounted: 20 }]);
      await harness.store.claim(TOPIC, [0]);
      await harness.store.process([newBatch([event('e')], { epoch: 2, fromOffset: 24, nextOffset: 25 })]);
      expect(await ledger(harness)).toMatchObject([{ passed: 25, stored: 5, unaccounted: 20 }]);
      await harness.sql('update positions set next_offset = 4');
      expect(await harness.store.claim(TOPIC, [0])).toMatchObject([{ offset: 4 }]);
      expect(await ledger(harness)).toMatchObject([{ passed: 5, rewound: 1, unaccounted: 0 }]);
    });

    it.each([
      ['events', ['events']],
      ['positions', ['positions']],
      ['events and positions', ['events', 'positions']],
      [
        'all tables',
        [
          'events',
          'positions',
          'event_counts',
          'value_counts',
          'distinct_counts',
          'known_values',
          'counted_up_to',
        ],
      ],
    ])('starts from nothing, in the counts, too, when %s were emptied', async (_, tables) => {
      const harness = await processed();
      const { store } = harness;
      expect(await store.counts.totals()).toMatchObject([{ events: 4 }]);
      await harness.sql("insert into known_values values ('userId', 'nobody now')");
      for (const table of tables) await harness.sql(`delete from ${table}`);
      expect((await store.positions('group', 'topic')).every(({ offset }) => offset === null)).toBe(true);
      const [claim] = await store.claim(TOPIC, [0]);
      expect(claim).toMatchObject({ offset: null, landmarks: [] });
      const again = ['a', 'b', 'c', 'd'].map((name) => event(name, keyOf(name)));
      await store.process([newBatch(again, { epoch: claim!.epoch })]);
      expect(await readAll(store)).toHaveLength(4);
      expect(await store.counts.totals()).toMatchObject([{ events: 4 }]);
      const isKnown = tables.includes('events') ? [] : ['nobody now'];
      expect(await store.counts.valuesFrom('userId', 'nobody', 9)).toEqual([...isKnown, 'u']);
      expect(await ledger(harness)).toMatchObject([{ passed: 4, unaccounted: 0 }]);
    });

    it('refuses the batch that would be the first in events that were emptied, until they are read again', async () => {
      const { store, sql } = await processed();
      await sql('delete from events');
      const next = newBatch([event('e')], { fromOffset: 4, nextOffset: 5 });
      await expect(store.process([next])).rejects.toThrow(FencedError);
      expect(await readAll(store)).toEqual([]);
      expect(await store.claim(TOPIC, [0])).toMatchObject([{ offset: null }]);
    });
  });
}

function keyOf(name: string): string {
  return eventKey(`by hand ${name}`);
}
