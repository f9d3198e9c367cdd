import { describe, expect, it, onTestFinished } from 'vitest';
import {
  type AssignedPartition,
  type EventLog,
  flattenBatches,
  type LogBatch,
  type LogRecord,
  type NewRecord,
  type ReadingStart,
  type SubscribeOptions,
} from '../../src/log/event-log.ts';
import { appendTo } from '../support/append.ts';
import { PATIENCE_MS } from '../support/patience.ts';

/** What an adapter's test file gives: a log with a fresh topic of three partitions. */
export interface LogHarness {
  log: EventLog;
  topic: string;
  otherTopic: string;
  group: string;
  /** A further handle on the same log, as another process or after a restart would have. */
  reopen(): Promise<EventLog>;
}

const PARTITIONS = 3;
/** Where Kafka's console producer (Java, 4.1.0) put these keys among three partitions. */
const JAVA_PARTITIONS: Record<string, number> = {
  alice: 0,
  bob: 0,
  zoë: 0,
  '😀': 0,
  dave: 1,
  frank: 1,
  кот: 1,
  carol: 2,
  'user-1': 2,
};

function record(topic: string, key: string | Buffer | null, value: string | Buffer | null): NewRecord {
  return { topic, key, value, headers: [] };
}

const fromStart: SubscribeOptions['onAssigned'] = async (assigned) =>
  startAtOffsets(new Map(assigned.map(({ partition, earliest }) => [partition, earliest])));

/** The answer of `onAssigned`. */
export function startAtOffsets(offsets: ReadonlyMap<number, number>): ReadingStart {
  return { positions: new Map([...offsets].map(([partition, offset]) => [partition, { offset }])) };
}

/** Reads as a group member until `count` records have come, then leaves. */
async function read(
  { topic, group }: Pick<LogHarness, 'topic' | 'group'>,
  log: EventLog,
  count: number,
  onAssigned = fromStart,
): Promise<{ batches: LogBatch[]; records: (LogRecord & { partition: number })[] }> {
  const leave = new AbortController();
  const batches: LogBatch[] = [];
  const records: (LogRecord & { partition: number })[] = [];
  for await (const batch of flattenBatches(
    log.subscribe({ topic, group, signal: leave.signal, onAssigned }),
  )) {
    batches.push(batch);
    records.push(...batch.records.map((read) => ({ ...read, partition: batch.partition })));
    if (records.length >= count) leave.abort();
  }
  return { batches, records };
}

/** The contract of `EventLog`: every adapter passes all of it. */
export function eventLogContract(open: () => Promise<LogHarness>): void {
  it('puts each key where a Java producer would, and counts offsets from 0 in each partition', async () => {
    const { log, topic } = await open();
    const keys = Object.keys(JAVA_PARTITIONS);
    const receipts = await appendTo(
      log,
      keys.map((key) => record(topic, key, 'x')),
    );
    expect(Object.fromEntries(keys.map((key, at) => [key, receipts[at]!.partition]))).toEqual(
      JAVA_PARTITIONS,
    );
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const offsets = receipts
        .filter((receipt) => receipt.partition === partition)
        .map(({ offset }) => offset);
      expect(offsets).toEqual(offsets.map((_, at) => at));
    }
    expect(new Set(receipts.map((receipt) => receipt.topic))).toEqual(new Set([topic]));
  });

  it('gives back key, value, headers and time as they were appended', async () => {
    const harness = await open();
    const before = Date.now();
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    await appendTo(harness.log, [
      {
        topic: harness.topic,
        key: 'zoë',
        value: bytes,
        headers: [
          ['event-type', 'LOGIN'],
          ['twice', 'one'],
          ['twice', bytes],
          ['none', null],
        ],
      },
    ]);
    const { records } = await read(harness, harness.log, 1);
    expect(records[0]!.key!.toString()).toBe('zoë');
    expect(records[0]!.value!.equals(bytes)).toBe(true);
    expect(records[0]!.headers.map(([name, value]) => [name, value && Buffer.from(value)])).toEqual([
      ['event-type', Buffer.from('LOGIN')],
      ['twice', Buffer.from('one')],
      ['twice', bytes],
      ['none', null],
    ]);
    expect(records[0]!.timestamp).toBeGreaterThanOrEqual(before);
    expect(records[0]!.timestamp).toBeLessThanOrEqual(Date.now());
  });

  it('appends nothing when it is given nothing, and is not held up by it', async () => {
    const { log, topic } = await open();
    expect(await appendTo(log, [])).toEqual([]);
    expect(await appendTo(log, [record(topic, 'alice', 'x')])).toMatchObject([{ offset: 0 }]);
  });

  it('carries records without key and without value', async () => {
    const harness = await open();
    const [receipt] = await appendTo(harness.log, [record(harness.topic, null, null)]);
    expect(receipt).toEqual({ topic: harness.topic, partition: 0, offset: 0 });
    const { records } = await read(harness, harness.log, 1);
    expect(records).toMatchObject([{ key: null, value: null, partition: 0, offset: 0 }]);
  });

  it('answers concurrent appends each with its own receipt', async () => {
    const harness = await open();
    const values = Array.from({ length: 300 }, (_, number) => String(number));
    const receipts = (
      await Promise.all(
        values.map((value) =>
          appendTo(harness.log, [record(harness.topic, `user-${Number(value) % 10}`, value)]),
        ),
      )
    ).flat();
    const { records } = await read(harness, harness.log, values.length);
    const found = new Map(
      records.map(({ partition, offset, value }) => [`${partition}:${offset}`, value!.toString()]),
    );
    expect(receipts.map(({ partition, offset }) => found.get(`${partition}:${offset}`))).toEqual(values);
  });

  it('keeps the order of a key, across calls and within one', async () => {
    const harness = await open();
    const values = Array.from({ length: 500 }, (_, number) => String(number));
    const calls = [];
    for (let at = 0; at < values.length; at += 5) {
      calls.push(
        appendTo(
          harness.log,
          values.slice(at, at + 5).map((value) => record(harness.topic, 'alice', value)),
        ),
      );
    }
    await Promise.all(calls);
    const { records } = await read(harness, harness.log, values.length);
    expect(records.map(({ value }) => value!.toString())).toEqual(values);
  });

  it('appends more in one call than fits one write, in order', async () => {
    const harness = await open();
    const values = Array.from({ length: 30 }, (_, number) => `${number}:`.padEnd(150_000, 'x'));
    const receipts = await appendTo(
      harness.log,
      values.map((value) => record(harness.topic, 'bob', value)),
    );
    expect(receipts.map(({ offset }) => offset)).toEqual(values.map((_, at) => at));
    const { records } = await read(harness, harness.log, values.length);
    expect(records.map(({ value }) => value!.toString())).toEqual(values);
  });

  it('tells a new group what each partition holds before it reads', async () => {
    const harness = await open();
    await appendTo(
      harness.log,
      ['dave', 'dave', 'bob'].map((key) => record(harness.topic, key, 'x')),
    );
    let assigned: readonly AssignedPartition[] = [];
    await read(harness, harness.log, 3, async (given) => {
      assigned = given;
      return fromStart(given);
    });
    expect(assigned.map(({ partition, earliest, end }) => [partition, earliest, end]).sort()).toEqual([
      [0, 0, 1],
      [1, 0, 2],
      [2, 0, 0],
    ]);
    expect(new Set(assigned.map(({ topicId }) => topicId)).size).toBe(1);
  });

  it('knows for certain up to where a partition goes', async () => {
    const harness = await open();
    await appendTo(
      harness.log,
      ['dave', 'dave'].map((key) => record(harness.topic, key, 'x')),
    );
    let answers: boolean[] = [];
    await read(harness, harness.log, 2, async (given) => {
      const own = given.find(({ end }) => end === 2)!;
      answers = await Promise.all([own.hasOffset(1), own.hasOffset(2)]);
      answers.push(await own.hasOffset(3));
      return fromStart(given);
    });
    expect(answers).toEqual([true, true, false]);
  });

  it('hands out batches of one partition each, in offset order, and says where it stands', async () => {
    const harness = await open();
    const keys = Object.keys(JAVA_PARTITIONS);
    for (let round = 0; round < 20; round++) {
      await appendTo(
        harness.log,
        keys.map((key) => record(harness.topic, key, String(round))),
      );
    }
    const { batches } = await read(harness, harness.log, 20 * keys.length);
    const next = new Map<number, number>();
    for (const batch of batches) {
      expect(batch.topic).toBe(harness.topic);
      const offsets = batch.records.map(({ offset }) => offset);
      const start = next.get(batch.partition) ?? 0;
      expect(offsets).toEqual(offsets.map((_, at) => start + at));
      expect(batch.nextOffset).toBe(start + offsets.length);
      expect(batch.fetchedFrom).toBeLessThanOrEqual(batch.records[0]!.offset);
      next.set(batch.partition, batch.nextOffset);
    }
  });

  it('starts where it is told, whatever was committed', async () => {
    const harness = await open();
    await appendTo(
      harness.log,
      ['0', '1', '2', '3'].map((value) => record(harness.topic, 'alice', value)),
    );
    const first = await read(harness, harness.log, 4);
    for (const batch of first.batches) batch.commit();
    const again = await read(harness, harness.log, 2, async (assigned) => {
      return startAtOffsets(
        new Map(assigned.map(({ partition, end }) => [partition, partition === 0 ? 2 : end])),
      );
    });
    expect(again.records.map(({ offset, value }) => [offset, value!.toString()])).toEqual([
      [2, '2'],
      [3, '3'],
    ]);
  });

  it('starts over where it is told by then, without leaving, when its reader asks for it', async () => {
    const { log, topic, group } = await open();
    await appendTo(
      log,
      ['0', '1', '2'].map((value) => record(topic, 'alice', value)),
    );
    const stop = new AbortController();
    const starts: number[] = [];
    let restart = new AbortController();
    const onAssigned: SubscribeOptions['onAssigned'] = async (assigned) => {
      restart = new AbortController();
      starts.push(assigned.length);
      const { positions } = startAtOffsets(new Map([[0, starts.length === 1 ? 0 : 1]]));
      return { positions, restart: restart.signal };
    };
    const read: number[] = [];
    for await (const batch of flattenBatches(
      log.subscribe({ topic, group, signal: stop.signal, onAssigned }),
    )) {
      read.push(...batch.records.map(({ offset }) => offset));
      if (read.length === 3) {
        restart.abort();
        expect(batch.isAssigned()).toBe(false);
      }
      if (read.length === 5) stop.abort();
    }
    expect(read).toEqual([0, 1, 2, 1, 2]);
    expect(starts).toEqual([PARTITIONS, PARTITIONS]);
  });

  it('reads nothing of a partition without a position, and the others', async () => {
    const { log, topic, group } = await open();
    const stop = new AbortController();
    await appendTo(log, [record(topic, 'alice', 'before'), record(topic, 'dave', 'read')]);
    let restart = new AbortController();
    const starts = [new Map([[1, 0]]), new Map([[0, 0]])];
    const onAssigned = async () => {
      restart = new AbortController();
      return { ...startAtOffsets(starts.shift()!), restart: restart.signal };
    };
    const values: string[] = [];
    for await (const batch of flattenBatches(
      log.subscribe({ topic, group, signal: stop.signal, onAssigned }),
    )) {
      values.push(...batch.records.map(({ value }) => value!.toString()));
      if (values.length === 1) await appendTo(log, [record(topic, 'dave', 'read, too')]);
      if (values.length === 2) restart.abort();
      if (values.length === 3) stop.abort();
    }
    expect(values).toEqual(['read', 'read, too', 'before']);
  });

  it('names the members of a group while they read, with their partitions', async () => {
    const { log, topic, group } = await open();
    const stop = new AbortController();
    const onAssigned = async () => ({ positions: new Map() });
    const read = async () => {
      for await (const _ of log.subscribe({ topic, group, signal: stop.signal, onAssigned }));
    };
    const reading = read();
    const [text, partitions] = [expect.stringMatching(/./), [...Array(PARTITIONS).keys()]];
    await expect
      // A Kafka that no group has used yet does not know who would coordinate it.
      .poll(() => log.members(topic, group).catch(() => []))
      .toEqual([{ id: text, host: text, partitions }]);
    expect(await log.members(topic, `${group}-2`)).toEqual([]);
    stop.abort();
    await reading;
    await expect.poll(() => log.members(topic, group)).toEqual([]);
  });

  it('says where each partition ends, and when its records were written', async () => {
    const { log, topic } = await open();
    const before = Date.now();
    await appendTo(
      log,
      ['0', '1'].map((value) => record(topic, 'alice', value)),
    );
    const { ends } = await log.ends(topic);
    expect([...ends].sort()).toEqual([
      [0, { end: 2, stable: 2 }],
      [1, { end: 0, stable: 0 }],
      [2, { end: 0, stable: 0 }],
    ]);
    const [first, second, none, elsewhere] = (await log.timestamps(topic, [
      { partition: 0, offset: 0 },
      { partition: 0, offset: 1 },
      { partition: 0, offset: 2 },
      { partition: 1, offset: 0 },
    ])) as (number | undefined)[];
    expect(first).toBeGreaterThanOrEqual(before);
    expect(second).toBeGreaterThanOrEqual(first!);
    expect(second).toBeLessThanOrEqual(Date.now());
    expect([none, elsewhere]).toEqual([undefined, undefined]);
  });

  it('says where each partition begins, without a group', async () => {
    const { log, topic } = await open();
    await appendTo(log, [record(topic, 'alice', '1')]);
    const { topicId, starts } = await log.starts(topic);
    expect(topicId).toBe((await log.ends(topic)).topicId);
    expect([...starts]).toEqual([0, 1, 2].map((partition) => [partition, 0]));
  });

  it('gives a scan all that was there when it began, each record once and in order', async () => {
    const { log, topic, otherTopic } = await open();
    const values = Array.from({ length: 2500 }, (_, at) => String(at));
    const append = (to: string) =>
      appendTo(
        log,
        values.map((value) => record(to, `user-${Number(value) % 10}`, value)),
      );
    const receipts = await append(topic);
    await append(otherTopic);
    const { topicId } = await log.ends(topic);
    const scanned: string[] = [];
    const partitions: number[] = [];
    for await (const { records, ...of } of log.scan(topic)) {
      // What comes meanwhile is not part of it.
      if (scanned.length === 0) await append(topic);
      expect(of.topicId).toBe(topicId);
      partitions.push(of.partition);
      scanned.push(...records.map(({ offset, value }) => `${of.partition}:${offset}:${value}`));
    }
    const expected = receipts.map(({ partition, offset }, at) => `${partition}:${offset}:${values[at]}`);
    expect(scanned.toSorted()).toEqual(expected.toSorted());
    expect(partitions).toEqual(partitions.toSorted());
    for (const partition of [0, 1, 2]) {
      const offsets = scanned
        .filter((one) => one.startsWith(`${partition}:`))
        .map((one) => Number(one.split(':')[1]));
      expect(offsets).toEqual(offsets.map((_, at) => at));
    }
  });

  it('gives a waiting reader what is appended later, in every partition', async () => {
    const harness = await open();
    const reading = read(harness, harness.log, 6);
    for (const key of ['alice', 'dave', 'carol', 'alice', 'dave', 'carol']) {
      await appendTo(harness.log, [record(harness.topic, key, 'x')]);
    }
    const { records } = await reading;
    expect(records.map(({ partition }) => partition).sort()).toEqual([0, 0, 1, 1, 2, 2]);
  });

  it('ends a waiting reader when it is told to stop', async () => {
    const { log, topic, group } = await open();
    const stop = new AbortController();
    const assigned = Promise.withResolvers<void>();
    const onAssigned: SubscribeOptions['onAssigned'] = async (given) => {
      assigned.resolve();
      return fromStart(given);
    };
    const reading = Array.fromAsync(log.subscribe({ topic, group, signal: stop.signal, onAssigned }));
    await assigned.promise;
    stop.abort();
    expect(await reading).toEqual([]);
  });

  it('reports a batch as no longer assigned once its reader stops', async () => {
    const { log, topic, group } = await open();
    await appendTo(log, [record(topic, 'alice', 'x')]);
    const stop = new AbortController();
    for await (const batch of flattenBatches(
      log.subscribe({ topic, group, signal: stop.signal, onAssigned: fromStart }),
    )) {
      expect(batch.isAssigned()).toBe(true);
      stop.abort();
      expect(batch.isAssigned()).toBe(false);
    }
  });

  it('passes on what its reader throws, and can be read again', async () => {
    const harness = await open();
    await appendTo(harness.log, [record(harness.topic, 'alice', 'x')]);
    const failing = read(harness, harness.log, 1, async () => {
      throw new Error('the store is away');
    });
    await expect(failing).rejects.toThrow('the store is away');
    expect((await read(harness, harness.log, 1)).records).toHaveLength(1);
  });

  it('keeps topics apart', async () => {
    const harness = await open();
    await appendTo(harness.log, [
      record(harness.topic, 'alice', 'here'),
      record(harness.otherTopic, 'alice', 'there'),
    ]);
    const { records } = await read({ ...harness, topic: harness.otherTopic }, harness.log, 1);
    expect(records.map(({ offset, value }) => [offset, value!.toString()])).toEqual([[0, 'there']]);
  });

  it('still has everything under the same topic id when it is opened again', async () => {
    const harness = await open();
    await appendTo(harness.log, [record(harness.topic, 'alice', 'before')]);
    const first = await read(harness, harness.log, 1);
    await harness.log.close();
    const again = await harness.reopen();
    onTestFinished(() => again.close());
    const [receipt] = await appendTo(again, [record(harness.topic, 'alice', 'after')]);
    expect(receipt!.offset).toBe(1);
    const { batches, records } = await read(harness, again, 2);
    expect(records.map(({ value }) => value!.toString())).toEqual(['before', 'after']);
    expect(batches[0]!.topicId).toBe(first.batches[0]!.topicId);
  });

  it('answers a ping, and closes twice without complaint', async () => {
    const { log } = await open();
    await log.ping(PATIENCE_MS);
    await log.close();
    await log.close();
  });

  it('reads single records by where they are, and says which it does not have', async () => {
    const { log, topic } = await open();
    const keys = ['alice', 'dave', 'alice', 'carol', 'alice'];
    const receipts = await appendTo(
      log,
      keys.map((key, at) => record(topic, key, String(at))),
    );
    const wanted = [
      receipts[4]!,
      { partition: 0, offset: 3 },
      receipts[1]!,
      receipts[0]!,
      { partition: 2, offset: 99 },
    ];
    const found = await log.read(topic, wanted);
    expect(found.map((one) => one?.value?.toString())).toEqual(['4', undefined, '1', '0', undefined]);
    expect(found[0]).toMatchObject({ offset: 2, key: Buffer.from('alice'), headers: [] });
    expect(await log.read(topic, [])).toEqual([]);
  });

  describe('when it closes', () => {
    it('finishes the appends in flight', async () => {
      const harness = await open();
      await appendTo(harness.log, [record(harness.topic, 'alice', 'warm')]);
      const appending = appendTo(harness.log, [record(harness.topic, 'alice', 'last')]);
      await Promise.all([appending, harness.log.close()]);
      const again = await harness.reopen();
      onTestFinished(() => again.close());
      expect((await read(harness, again, 2)).records.map(({ value }) => value!.toString())).toEqual([
        'warm',
        'last',
      ]);
    });
  });
}
