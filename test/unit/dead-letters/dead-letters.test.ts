import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { DeadLetters, sendToDeadLetterTopic } from '../../../src/dead-letters/dead-letters.ts';
import { eventKey, type Rejection } from '../../../src/events/event.ts';
import {
  AppendError,
  type AppendFailure,
  type AppendResult,
  type EventLog,
  type LogRecord,
} from '../../../src/log/event-log.ts';
import { recordDigest } from '../../../src/log/landmarks.ts';
import { MemoryStore } from '../../../src/store/memory/memory-store.ts';
import { appendTo } from '../../support/append.ts';
import { openLog } from '../../support/embedded-log.ts';
import { replacing } from '../../support/replacing.ts';
import { newBatch } from '../../support/store-batches.ts';

const GROUP = 'group';
const TOPIC = 'events';
const INVALID: Rejection = { reason: 'invalid', detail: 'it is wrong' };

/** A log, a store, and dead letters of it. */
async function setUp() {
  const { file, log } = await openLog();
  const store = new MemoryStore();
  const ref = { group: GROUP, topic: TOPIC, topicId: 'id' };
  const [claim] = await store.claim(ref, [0]);
  let fromOffset: number | null = null;
  async function read(topic = TOPIC): Promise<LogRecord[]> {
    const end = (await log.ends(topic)).ends.get(0)!.end;
    const positions = Array.from({ length: end }, (_, offset) => ({ partition: 0, offset }));
    return (await log.read(topic, positions)).map((record) => record!);
  }
  return {
    file,
    log,
    store,
    read,
    deadLetters: (from: EventLog = log) => new DeadLetters({ log: from, store, group: GROUP }),
    /** Appends records, rejects all of them, and puts them into the index as processing does. */
    async reject(values: string[], { into = log as EventLog, why = INVALID } = {}) {
      const from = fromOffset ?? 0;
      const headers = [['h', 'x']] as const;
      await appendTo(
        log,
        values.map((value) => ({ topic: TOPIC, key: 'key', value, headers })),
      );
      const records = (await read()).slice(from, from + values.length);
      const rejected = records.map((record) => ({ record, ...why }));
      const entries = await sendToDeadLetterTopic(into, GROUP, { topic: TOPIC, partition: 0 }, rejected);
      const nextOffset = from + values.length;
      const position = { ...ref, epoch: claim!.epoch, fromOffset, nextOffset };
      await store.process([newBatch([], { ...position, deadLetters: entries })]);
      fromOffset = nextOffset;
      return { entries, records };
    },
    /** The values in the topic behind those that were there first. */
    redriven: async (first: number) => (await read()).slice(first).map(({ value }) => value!.toString()),
  };
}

/** A log whose dead-letter topic refuses some values. */
function refusing(log: EventLog, value: string, failure: AppendFailure): EventLog {
  return replacing(log, 'append', (real) => async (records) => {
    const matches = (one: (typeof records)[number]) => one.value?.toString() === value;
    const others = await real(records.filter((one) => !matches(one)));
    const left = others.values();
    return records.map(
      (one): AppendResult => (matches(one) ? new AppendError(failure, 'refused') : left.next().value!),
    );
  });
}

describe('a rejected record', () => {
  it('is in the dead-letter topic, and its entry says where and why', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 5000 });
    onTestFinished(() => void vi.useRealTimers());
    const { reject, read } = await setUp();
    const { entries, records } = await reject(['one', 'two']);
    const letters = await read(`${TOPIC}.dlt`);
    expect(letters.map(({ value }) => value!.toString())).toEqual(['one', 'two']);
    expect(entries).toEqual(
      records.map((record, at) => ({
        key: null,
        offset: at,
        digest: recordDigest(record),
        reason: 'invalid',
        detail: 'it is wrong',
        attempt: 1,
        deadLetteredAt: new Date(5000),
        deadLetterPartition: 0,
        deadLetterOffset: at,
      })),
    );
    const named = await reject(['three'], { why: { ...INVALID, eventId: 'abc' } });
    expect(named.entries).toMatchObject([{ key: eventKey('abc'), offset: 2, deadLetterOffset: 2 }]);
  });

  it('is only referred to where the dead-letter topic refuses it for good', async () => {
    const { log, reject, read, deadLetters } = await setUp();
    const into = refusing(log, 'large', 'too-large');
    const { entries } = await reject(['one', 'large', 'three'], { into });
    expect((await read(`${TOPIC}.dlt`)).map(({ value }) => value?.toString())).toEqual([
      'one',
      'three',
      undefined,
    ]);
    expect(entries.map(({ deadLetterOffset }) => deadLetterOffset)).toEqual([0, 2, 1]);
    // "key", "large", "h" and "x".
    const detail = 'it is wrong; not copied: topic events.dlt refuses its 10 bytes';
    expect(entries.map((entry) => entry.detail)).toEqual(['it is wrong', detail, 'it is wrong']);
    const [, large] = await deadLetters().list({ limit: 10 });
    const { letter, record } = (await deadLetters().get(large!.id))!;
    expect(letter).toEqual(large);
    expect(record!.value!.toString()).toBe('large');
  });

  it('is not passed over where its dead letter may be appended another time: then nothing of the batch counts', async () => {
    const { log, reject } = await setUp();
    const into = refusing(log, 'two', 'unconfirmed');
    await expect(reject(['one', 'two'], { into })).rejects.toMatchObject({ failure: 'unconfirmed' });
  });

  it('costs nothing where there is none', async () => {
    const { log } = await setUp();
    const append = vi.spyOn(log, 'append');
    expect(await sendToDeadLetterTopic(log, GROUP, { topic: TOPIC, partition: 0 }, [])).toEqual([]);
    expect(append).not.toHaveBeenCalled();
  });
});

describe('one dead letter', () => {
  it('is found by its id, with its record as it was', async () => {
    const { reject, deadLetters } = await setUp();
    await reject(['one', 'two']);
    const [two, one] = await deadLetters().list({ limit: 10 });
    const found = (await deadLetters().get(one!.id))!;
    expect(found.letter).toEqual(one);
    expect(found.record).toMatchObject({ key: Buffer.from('key'), value: Buffer.from('one') });
    expect((await deadLetters().get(two!.id))!.record!.value!.toString()).toBe('two');
    expect(await deadLetters().get(99)).toBeUndefined();
  });

  it('is without its record where the dead-letter topic no longer has it, or has another there', async () => {
    const { file, reject, deadLetters } = await setUp();
    await reject(['one', 'two']);
    const letters = await deadLetters().list({ limit: 10 });
    const swap = file.db.prepare(
      'update log_records set offset = ? where offset = ? and topic = (select id from log_topics where name = ?)',
    );
    for (const [to, from] of [
      [9, 0],
      [0, 1],
    ])
      swap.run(to!, from!, `${TOPIC}.dlt`);
    for (const { id } of letters) expect(await deadLetters().get(id)).toMatchObject({ record: undefined });
  });

  it('is without its record where that is only referred to, and its topic has another there', async () => {
    const { file, log, reject, deadLetters } = await setUp();
    await reject(['large'], { into: refusing(log, 'large', 'too-large') });
    const { id } = (await deadLetters().list({ limit: 1 }))[0]!;
    expect((await deadLetters().get(id))!.record).toBeDefined();
    file.db.exec("update log_records set value = cast('others' as blob) where value = cast('large' as blob)");
    expect(await deadLetters().get(id)).toMatchObject({ record: undefined });
    file.db.exec("delete from log_records where value = cast('others' as blob)");
    expect(await deadLetters().get(id)).toMatchObject({ record: undefined });
  });
});

describe('a redrive', () => {
  it('appends those that wait, oldest first, as they were, and counts the attempt', async () => {
    const { reject, read, deadLetters, redriven } = await setUp();
    await reject(['one', 'two', 'three']);
    expect(await deadLetters().redrive({})).toEqual({ redriven: 3, skipped: 0, missing: [] });
    expect(await redriven(3)).toEqual(['one', 'two', 'three']);
    const again = (await read())[3]!;
    expect(again.key!.toString()).toBe('key');
    expect(again.headers.map(([name, value]) => [name, value!.toString()])).toEqual([
      ['h', 'x'],
      ['footfall-dlt-attempt', '1'],
    ]);
    expect(await deadLetters().redrive({})).toEqual({ redriven: 0, skipped: 0, missing: [] });
  });

  it('of some ids passes over those that were redriven, and names those that are not there', async () => {
    const { reject, deadLetters, redriven } = await setUp();
    await reject(['one', 'two', 'three']);
    const [three, two, one] = (await deadLetters().list({ limit: 3 })).map(({ id }) => id) as number[];
    const ids = [three!, one!, 98, three!, 97];
    expect(await deadLetters().redrive({ ids })).toEqual({ redriven: 2, skipped: 0, missing: ['97', '98'] });
    expect(await redriven(3)).toEqual(['one', 'three']);
    expect(await deadLetters().redrive({ ids: [one!, two!] })).toEqual({
      redriven: 1,
      skipped: 1,
      missing: [],
    });
    expect(await redriven(5)).toEqual(['two']);
  });

  it('of one reason leaves the others', async () => {
    const { reject, deadLetters, redriven } = await setUp();
    await reject(['one', 'two']);
    await reject(['three'], { why: { reason: 'not-json', detail: 'x' } });
    expect(await deadLetters().redrive({ reason: 'not-json' })).toMatchObject({ redriven: 1 });
    expect(await redriven(3)).toEqual(['three']);
    expect(await deadLetters().list({ limit: 9, waiting: true })).toHaveLength(2);
  });

  it('appends what a person made of a record instead of it', async () => {
    const { reject, read, deadLetters } = await setUp();
    await reject(['one']);
    const [letter] = await deadLetters().list({ limit: 1 });
    await deadLetters().redrive({ ids: [letter!.id] }, { key: 'other', value: 'better' });
    const { key, value, headers } = (await read())[1]!;
    expect([key, value].map(String)).toEqual(['other', 'better']);
    expect(headers.map(([name]) => name)).toEqual(['h', 'footfall-dlt-attempt']);
  });

  it('that is asked for twice at once appends each once', async () => {
    const { reject, deadLetters, redriven } = await setUp();
    await reject(['one', 'two']);
    const letters = deadLetters();
    const results = await Promise.all([letters.redrive({}), letters.redrive({})]);
    expect(results.map((result) => result.redriven)).toEqual([2, 0]);
    expect(await redriven(2)).toEqual(['one', 'two']);
  });

  it('of more than two hundred goes on in parts, of more than a thousand in pages, and misses none', async () => {
    const { log, reject, deadLetters, redriven } = await setUp();
    const values = Array.from({ length: 1001 }, (_, at) => `${at}`);
    await reject(values);
    const append = vi.spyOn(log, 'append');
    expect(await deadLetters().redrive({})).toEqual({ redriven: 1001, skipped: 0, missing: [] });
    expect(await redriven(1001)).toEqual(values);
    expect(append.mock.calls.map(([records]) => records.length)).toEqual([200, 200, 200, 200, 200, 1]);
  });

  it('that the log refuses in part fails, leaves that part waiting, and does not hold up the next', async () => {
    const { log, reject, deadLetters, redriven } = await setUp();
    await reject(['one', 'two']);
    const letters = deadLetters(refusing(log, 'two', 'unconfirmed'));
    await expect(letters.redrive({})).rejects.toMatchObject({ failure: 'unconfirmed' });
    expect(await redriven(2)).toEqual(['one']);
    await expect(letters.redrive({})).rejects.toMatchObject({ failure: 'unconfirmed' });
    expect(await deadLetters().redrive({})).toMatchObject({ redriven: 1 });
    expect(await redriven(3)).toEqual(['two']);
  });

  it('says which records the log no longer has', async () => {
    const { file, reject, deadLetters, redriven } = await setUp();
    await reject(['one', 'two']);
    const [, one] = await deadLetters().list({ limit: 2 });
    file.db.exec("delete from log_records where value = cast('one' as blob) and topic > 1");
    expect(await deadLetters().redrive({})).toEqual({ redriven: 1, skipped: 0, missing: [`${one!.id}`] });
    expect(await redriven(2)).toEqual(['two']);
  });
});
