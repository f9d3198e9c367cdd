import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import {
  type AssignedPartition,
  type EventLog,
  flattenBatches,
  type LogBatch,
} from '../../../src/log/event-log.ts';
import { Meter } from '../../../src/observability/meter.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import type { Consumer } from '../../../src/processing/consumer.ts';
import { accounts } from '../../../src/processing/ledger.ts';
import { readAll } from '../../../src/query/event-query.ts';
import type { SqliteFile } from '../../../src/sqlite/sqlite-file.ts';
import type { EventStore, StoreBatch } from '../../../src/store/event-store.ts';
import { MemoryStore } from '../../../src/store/memory/memory-store.ts';
import { appendTo } from '../../support/append.ts';
import { runConsumer } from '../../support/consumer.ts';
import { logIn, openLog } from '../../support/embedded-log.ts';
import { failing, replacing } from '../../support/replacing.ts';

const TOPIC = 'events';
const GROUP = 'group';

function eventJson(eventId: string, userId = 'u'): string {
  return `{"eventId":"${eventId}","userId":"${userId}","eventType":"LOGIN","timestamp":"2024-02-14T10:30:00.000Z","payload":{}}`;
}

/** A log, a store, and consumers between them; what is logged is kept. */
async function setUp(options: { partitions?: number } = {}) {
  const { file, log } = await openLog(options);
  const store = new MemoryStore();
  const lines: { level: number; msg: string }[] = [];
  const logger = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const metrics = createMetrics(new Meter());
  return {
    file,
    log,
    store,
    lines,
    metrics,
    append: (value: string | null, key = 'u') =>
      appendTo(log, [{ topic: TOPIC, key, value, headers: [['h', 'x']] }]),
    consume(
      from: EventLog = log,
      into: EventStore = store,
      watchdog = { checkEveryMs: 60_000, stalledAfterMs: 60_000 },
    ): Consumer {
      const options = { log: from, store: into, topic: TOPIC, group: GROUP, logger, metrics };
      return runConsumer({ ...options, ...watchdog }).consumer;
    },
    stored: async () => (await Array.fromAsync(readAll(store))).flat().map(({ json }) => json),
    count: async (name: string) => (await metrics.registry.getSingleMetric(name)!.get()).values,
  };
}

/** The target, with one of its methods failing until `end`. */
function outageOf<T extends object, K extends keyof T>(target: T, method: K) {
  let isOver = false;
  let failures = 0;
  const broken = replacing(target, method, (real) => {
    const failingAtFirst = (...args: unknown[]) => {
      if (isOver) return (real as (...all: unknown[]) => unknown)(...args);
      failures++;
      throw new Error('outage');
    };
    return failingAtFirst as T[K];
  });
  return { broken, failures: () => failures, end: () => (isOver = true) };
}

describe('the consumer', () => {
  it('stores an event that is in the topic twice only once, and says so', async () => {
    const { append, consume, stored, lines, count } = await setUp();
    const id = randomUUID();
    await append(eventJson(id));
    await append(eventJson(id, 'second'));
    await append(eventJson(id.toUpperCase()));
    consume();
    await expect
      .poll(() => count('footfall_events_processed_total'))
      .toMatchObject([{ value: 1 }, { value: 2 }, { value: 0 }, { value: 0 }]);
    expect(await stored()).toEqual([eventJson(id)]);
    expect(lines.map(({ msg }) => msg)).toContain(`[Consumer] Event processed - eventId: ${id}`);
    expect(lines.map(({ msg }) => msg)).toContain(`[Consumer] Duplicate event skipped - eventId: ${id}`);
  });

  it('sets records aside that are no events, with their origin, and goes on', async () => {
    const { log, append, consume, stored, count, store } = await setUp();
    const junk = ['junk', null, '[]', '{"eventId":"x"}'];
    const [first, second] = [randomUUID(), randomUUID()];
    await append(eventJson(first));
    for (const value of junk) await append(value, 'key');
    await append(eventJson(second));
    consume();
    await expect.poll(stored).toEqual([eventJson(first), eventJson(second)]);
    expect(await count('footfall_dead_letters_total')).toEqual([
      { labels: { reason: 'empty' }, value: 1 },
      { labels: { reason: 'not-json' }, value: 1 },
      { labels: { reason: 'invalid' }, value: 2 },
    ]);
    expect(await store.positions(GROUP, TOPIC)).toMatchObject([{ offset: 6, stored: 2, deadLettered: 4 }]);

    const letters = [];
    const stop = new AbortController();
    const onAssigned = async () => ({ positions: new Map([[0, { offset: 0 }]]) });
    const reading = log.subscribe({ topic: `${TOPIC}.dlt`, group: 'look', signal: stop.signal, onAssigned });
    for await (const batch of flattenBatches(reading)) {
      letters.push(...batch.records);
      if (letters.length >= junk.length) stop.abort();
    }
    expect(letters.map(({ value }) => value?.toString() ?? null)).toEqual(junk);
    expect(letters[0]!.key!.toString()).toBe('key');
    expect(Object.fromEntries(letters[0]!.headers.map(([name, value]) => [name, value!.toString()]))).toEqual(
      {
        h: 'x',
        'kafka_dlt-original-topic': TOPIC,
        'kafka_dlt-original-partition': '0',
        'kafka_dlt-original-offset': '1',
        'kafka_dlt-original-timestamp': expect.stringMatching(/^\d+$/),
        'kafka_dlt-original-consumer-group': GROUP,
        'kafka_dlt-original-timestamp-type': 'LogAppendTime',
        'kafka_dlt-exception-fqcn': 'footfall.RejectedRecord',
        'kafka_dlt-exception-cause-fqcn': 'footfall.RejectedRecord',
        'kafka_dlt-exception-message': 'the value is not JSON',
        'kafka_dlt-exception-stacktrace': 'footfall.RejectedRecord: the value is not JSON',
        'footfall-dlt-reason': 'not-json',
        'footfall-dlt-attempt': '1',
      },
    );
  });

  it('waits out a store that cannot be written, shows it, and drops nothing', async () => {
    const { log, store, append, consume, stored, lines } = await setUp();
    const ids = Array.from({ length: 5 }, () => randomUUID());
    for (const id of ids) await append(eventJson(id));
    const { broken, failures, end } = outageOf(store, 'process');
    const consumer = consume(log, broken);
    await expect.poll(failures).toBeGreaterThan(2);
    expect(consumer.state).toBe('recovering');
    end();
    await expect.poll(stored).toEqual(ids.map((id) => eventJson(id)));
    await expect.poll(() => consumer.state).toBe('consuming');
    // One line for the outage and one for its end, however often it was tried.
    expect(lines.filter(({ level }) => level >= 50)).toHaveLength(1);
    expect(lines.filter(({ msg }) => msg === '[Consumer] working again')).toHaveLength(1);
  });

  it('stores what was read at once together, and each alone where that fails', async () => {
    const { log, store, append, consume, stored } = await setUp({ partitions: 3 });
    const users = ['alice', 'dave', 'erin'];
    const events = users.map((user) => eventJson(randomUUID(), user));
    for (const [at, user] of users.entries()) await append(events[at]!, user);
    const atOnce = replacing(
      log,
      'subscribe',
      (real) =>
        async function* (options) {
          const read: LogBatch[] = [];
          for await (const batches of real(options)) {
            read.push(...batches);
            if (read.length === users.length) yield read;
          }
        },
    );
    const tried: number[][] = [];
    let isAtFault = true;
    const faulty = replacing(store, 'process', (real) => async (batches) => {
      tried.push(batches.map(({ partition }) => partition));
      if (isAtFault && batches.some(({ partition }) => partition === 1)) throw new Error('outage');
      return real(batches);
    });
    const consumer = consume(atOnce, faulty);
    await expect.poll(stored).toHaveLength(2);
    expect(new Set(await stored())).toEqual(new Set([events[0], events[2]]));
    expect(tried[0]).toEqual([0, 1, 2]);
    expect(consumer.state).toBe('recovering');
    isAtFault = false;
    await expect.poll(stored).toHaveLength(3);
    await expect.poll(() => consumer.state).toBe('consuming');
  });

  it('waits out a store that cannot be claimed and a log that cannot be read', async () => {
    const { log, store, append, consume, stored } = await setUp();
    const id = randomUUID();
    await append(eventJson(id));
    consume(failing(log, 'subscribe', 2), failing(store, 'claim', 2));
    await expect.poll(stored).toEqual([eventJson(id)]);
  });

  it('does not move on from a record it could not set aside', async () => {
    const { log, store, append, consume, stored } = await setUp();
    const id = randomUUID();
    await append('junk');
    await append(eventJson(id));
    const { broken, failures, end } = outageOf(log, 'append');
    consume(broken);
    await expect.poll(failures).toBeGreaterThan(2);
    expect(await store.positions(GROUP, TOPIC)).toMatchObject([{ offset: null }]);
    end();
    await expect.poll(stored).toEqual([eventJson(id)]);
    expect(await store.positions(GROUP, TOPIC)).toMatchObject([{ deadLettered: 1 }]);
  });

  it('claims a partition back from a latecomer, and neither loses nor repeats an event', async () => {
    const { log, store, append, consume, stored, lines } = await setUp();
    let topicId = '';
    const watched = replacing(store, 'claim', (real) => (ref, partitions) => {
      topicId = ref.topicId;
      return real(ref, partitions);
    });
    consume(log, watched);
    const ids = Array.from({ length: 3 }, () => randomUUID());
    await append(eventJson(ids[0]!));
    await expect.poll(stored).toHaveLength(1);
    await store.claim({ group: GROUP, topic: TOPIC, topicId }, [0]);
    await append(eventJson(ids[1]!));
    await append(eventJson(ids[2]!));
    await expect.poll(stored).toEqual(ids.map((id) => eventJson(id)));
    expect(lines.some(({ msg }) => msg.includes('Reading again from the positions'))).toBe(true);
  });

  it('lets two consumers of one partition fight without harm: each event once, in order', async () => {
    const { log, append, consume, stored } = await setUp();
    consume(log);
    consume(log);
    const ids = Array.from({ length: 60 }, () => randomUUID());
    for (const id of ids) await append(eventJson(id));
    await expect.poll(async () => (await stored()).length).toBe(ids.length);
    expect(await stored()).toEqual(ids.map((id) => eventJson(id)));
  });

  it('continues where another consumer of the group stopped', async () => {
    const { append, consume, stored, lines } = await setUp();
    const ids = Array.from({ length: 4 }, () => randomUUID());
    for (const id of ids.slice(0, 2)) await append(eventJson(id));
    const first = consume();
    await expect.poll(stored).toHaveLength(2);
    await first.stop();
    expect(first.state).toBe('stopped');
    for (const id of ids.slice(2)) await append(eventJson(id));
    consume();
    await expect.poll(stored).toEqual(ids.map((id) => eventJson(id)));
    expect(lines.filter(({ msg }) => msg.includes('Duplicate'))).toEqual([]);
  });

  it('joins the group again when nothing is delivered although there are records, and says so', async () => {
    const { log, append, consume, stored, count, lines } = await setUp();
    let isSilent = false;
    const noticed = Promise.withResolvers<void>();
    const goingSilent = replacing(
      log,
      'subscribe',
      (real) =>
        async function* (options) {
          // What was noticed shows until the reading goes on.
          if (isSilent) await noticed.promise;
          for await (const batches of real(options)) {
            yield batches;
            if (isSilent) continue;
            isSilent = true;
            // As a client that has lost its fetch would: nothing comes any more, and nothing fails.
            await new Promise((resolve) => options.signal.addEventListener('abort', resolve));
          }
        },
    );
    const ids = Array.from({ length: 3 }, () => randomUUID());
    await append(eventJson(ids[0]!));
    const consumer = consume(goingSilent, undefined, { checkEveryMs: 50, stalledAfterMs: 50 });
    await expect.poll(stored).toHaveLength(1);
    await append(eventJson(ids[1]!));
    await append(eventJson(ids[2]!));
    await expect.poll(() => consumer.stalled).toEqual([0]);
    noticed.resolve();
    await expect.poll(stored).toEqual(ids.map((id) => eventJson(id)));
    await expect.poll(() => consumer.stalled).toEqual([]);
    expect((await count('footfall_watchdog_restarts_total'))[0]!.value).toBeGreaterThan(0);
    expect(lines.some(({ level, msg }) => level === 50 && msg.includes('No records are delivered'))).toBe(
      true,
    );
  });

  it('does not take a slow store for a silent log', async () => {
    const { log, store, append, consume, stored, count } = await setUp();
    await append(eventJson(randomUUID()));
    let looks = 0;
    const watched = replacing(log, 'ends', (real) => (topic) => {
      looks++;
      return real(topic);
    });
    const begun = Promise.withResolvers<void>();
    const ready = Promise.withResolvers<void>();
    const slow = replacing(store, 'process', (real) => async (batches) => {
      begun.resolve();
      await ready.promise;
      return real(batches);
    });
    consume(watched, slow, { checkEveryMs: 5, stalledAfterMs: 5 });
    await begun.promise;
    // Before it could begin the log may well have been silent for so long.
    const restarts = await count('footfall_watchdog_restarts_total');
    const before = looks;
    await expect.poll(() => looks).toBeGreaterThan(before + 10);
    expect(await count('footfall_watchdog_restarts_total')).toEqual(restarts);
    ready.resolve();
    await expect.poll(stored).toHaveLength(1);
  });

  it('works on several partitions at a time, on each in order, and finishes what it works on when it stops', async () => {
    const { log, store, append, consume, stored } = await setUp({ partitions: 3 });
    const held = Promise.withResolvers<void>();
    const heldAt: number[] = [];
    const holding = replacing(store, 'process', (real) => async (batches) => {
      const [{ events, partition }] = batches as readonly [StoreBatch];
      if (events.some(({ userId }) => userId === 'alice')) {
        heldAt.push(partition);
        await held.promise;
      }
      return real(batches);
    });
    // alice is in partition 0, dave in 1, erin in 2.
    const [alice, dave, erin, again] = ['alice', 'dave', 'erin', 'alice'].map((userId) =>
      eventJson(randomUUID(), userId),
    ) as [string, string, string, string];
    await append(alice, 'alice');
    const consumer = consume(log, holding);
    await expect.poll(() => heldAt).toEqual([0]);
    await append(dave, 'dave');
    await append(erin, 'erin');
    await expect.poll(stored).toHaveLength(2);
    expect(new Set(await stored())).toEqual(new Set([dave, erin]));
    await append(again, 'alice');
    const stopped = consumer.stop();
    held.resolve();
    await stopped;
    expect(await stored()).toContain(alice);
    // What came after it in its partition was not begun meanwhile.
    expect(heldAt).toEqual([0]);
    consume();
    await expect.poll(stored).toHaveLength(4);
    expect((await stored()).at(-1)).toBe(again);
  });

  it('stops at once while the store is away', async () => {
    const { log, store, append, consume } = await setUp();
    await append(eventJson(randomUUID()));
    const consumer = consume(log, failing(store, 'process', Number.POSITIVE_INFINITY));
    await expect.poll(() => consumer.state).toBe('recovering');
    await consumer.stop();
  });
});

describe('at an assignment the consumer', () => {
  /** A log that reports other bounds or another id for its partition than it has. */
  function reporting(log: EventLog, change: Partial<AssignedPartition>): EventLog {
    return replacing(
      log,
      'subscribe',
      (real) => (options) =>
        real({
          ...options,
          onAssigned: (assigned) =>
            options.onAssigned(assigned.map((partition) => ({ ...partition, ...change }))),
        }),
    );
  }

  it('reports records that the log deleted before they were processed, and continues behind them', async () => {
    const { log, append, consume, stored, lines, count } = await setUp();
    const ids = Array.from({ length: 5 }, () => randomUUID());
    await append(eventJson(ids[0]!));
    const first = consume();
    await expect.poll(stored).toHaveLength(1);
    await first.stop();
    for (const id of ids.slice(1)) await append(eventJson(id));
    consume(reporting(log, { earliest: 3 }));
    await expect.poll(stored).toEqual([0, 3, 4].map((at) => eventJson(ids[at]!)));
    expect(await count('footfall_data_gap_records_total')).toEqual([{ labels: { partition: 0 }, value: 2 }]);
    expect(lines.some(({ level, msg }) => level === 50 && msg.includes('Data gap'))).toBe(true);
  });

  it('counts records that the log deleted as lost at once, also where none come after them', async () => {
    const { log, append, consume, stored, store, count } = await setUp();
    await append(eventJson(randomUUID()));
    const first = consume();
    await expect.poll(stored).toHaveLength(1);
    await first.stop();
    for (let one = 0; one < 3; one++) await append(eventJson(randomUUID()));
    const second = consume(reporting(log, { earliest: 4 }));
    await expect.poll(async () => (await store.positions(GROUP, TOPIC))[0]!.offset).toBe(4);
    expect(accounts(await store.positions(GROUP, TOPIC))).toMatchObject([
      { passed: 4, stored: 1, lost: 3, unaccounted: 0 },
    ]);
    await second.stop();
    // Said once, and not at every start.
    const third = consume(reporting(log, { earliest: 4 }));
    await append(eventJson(randomUUID()));
    await expect.poll(stored).toHaveLength(2);
    await third.stop();
    expect(await count('footfall_data_gap_records_total')).toEqual([{ labels: { partition: 0 }, value: 3 }]);
  });

  /** Writes other records from an offset on, as a log does that was restored to an older state and goes on from there. */
  function restoreTo(file: SqliteFile, offset: number): EventLog {
    file.db.prepare('delete from log_records where offset >= ?').run(offset);
    return logIn(file);
  }

  it.each([
    ['ends before what was processed', 1],
    ['has others in the place of what was processed', 5],
  ])(
    'reads a log that %s from the last record that both have, and says so with numbers',
    async (_, later) => {
      const { file, append, consume, stored, store, lines, count } = await setUp();
      const ids = Array.from({ length: 4 }, () => randomUUID());
      for (const id of ids.slice(0, 2)) await append(eventJson(id));
      const first = consume();
      // Landmarks are set batch by batch: the second is the newest that is left.
      await expect.poll(stored).toHaveLength(2);
      for (const id of ids.slice(2)) await append(eventJson(id));
      await expect.poll(stored).toHaveLength(4);
      await first.stop();
      const restored = restoreTo(file, 2);
      const others = Array.from({ length: later }, () => randomUUID());
      for (const id of others)
        await appendTo(restored, [{ topic: TOPIC, key: 'u', value: eventJson(id), headers: [] }]);
      consume(restored);
      await expect.poll(stored).toEqual([...ids, ...others].map((id) => eventJson(id)));
      expect(await count('footfall_log_rewound_records_total')).toEqual([
        { labels: { partition: 0 }, value: 2 },
      ]);
      const said = lines.find(({ msg }) => msg.includes('The log went back in time'));
      expect(said).toMatchObject({ level: 50, processed: 4, end: 2 + later, readingFrom: 2 });
      expect(accounts(await store.positions(GROUP, TOPIC))).toMatchObject([
        { passed: 4 + later, stored: 4 + later, rewound: 2, lost: 0, unaccounted: 0 },
      ]);
    },
  );

  it.each([
    ['the log has ended before what was processed', { next: 5, deleteFrom: 2 }],
    ['the log has deleted what was not processed', { next: 1, deleteFrom: 0 }],
  ])('decides the same after a late claim of another member: %s', async (_, { deleteFrom }) => {
    const { file, append, consume, stored, store, log } = await setUp();
    const ids = Array.from({ length: 3 }, () => randomUUID());
    for (const id of ids) await append(eventJson(id));
    const first = consume();
    await expect.poll(stored).toHaveLength(3);
    await first.stop();
    const changed = deleteFrom === 0 ? reporting(log, { earliest: 3 }) : restoreTo(file, deleteFrom);
    let topicId = '';
    const watched = replacing(store, 'claim', (real) => (ref, partitions) => {
      topicId = ref.topicId;
      return real(ref, partitions);
    });
    consume(changed, watched);
    await expect.poll(() => topicId).not.toBe('');
    await store.claim({ group: GROUP, topic: TOPIC, topicId }, [0]);
    const later = randomUUID();
    await appendTo(deleteFrom === 0 ? log : changed, [
      { topic: TOPIC, key: 'u', value: eventJson(later), headers: [] },
    ]);
    await expect.poll(stored).toEqual([...ids, later].map((id) => eventJson(id)));
    expect(accounts(await store.positions(GROUP, TOPIC))).toMatchObject([{ stored: 4, unaccounted: 0 }]);
  });

  it('reads on where it was when the log has more than a broker that has just started knows of', async () => {
    const { log, append, consume, stored, lines, count } = await setUp();
    const ids = Array.from({ length: 3 }, () => randomUUID());
    for (const id of ids) await append(eventJson(id));
    const first = consume();
    await expect.poll(stored).toHaveLength(3);
    await first.stop();
    consume(reporting(log, { end: 2 }));
    const later = randomUUID();
    await append(eventJson(later));
    await expect.poll(stored).toEqual([...ids, later].map((id) => eventJson(id)));
    expect(lines.filter(({ level }) => level === 50)).toEqual([]);
    expect(await count('footfall_events_processed_total')).not.toContainEqual(
      expect.objectContaining({ labels: { outcome: 'duplicate' }, value: 1 }),
    );
  });

  it('reads the other partitions while the log does not show yet where one continues, and says which', async () => {
    const { log, append, consume, stored } = await setUp({ partitions: 3 });
    const [alice, dave, again, more] = Array.from({ length: 4 }, () => eventJson(randomUUID()));
    await append(alice!, 'alice');
    await append(dave!, 'dave');
    const first = consume();
    await expect.poll(stored).toHaveLength(2);
    await first.stop();
    let isHidden = true;
    // As a log with an open transaction in the place of what was processed.
    const hiding = replacing(reporting(log, { end: 0 }), 'read', (read) => async (topic, positions) => {
      const records = await read(topic, positions);
      return records.map((record, at) => (isHidden && positions[at]!.partition === 0 ? undefined : record));
    });
    const second = consume(hiding);
    await append(again!, 'alice');
    await append(more!, 'dave');
    await expect.poll(stored).toEqual([alice, dave, more]);
    expect(second.state).toBe('recovering');
    expect(second.reason).toBe(
      'partition 0 cannot be read: the log does not show yet whether it still holds what was processed at offset 0',
    );
    isHidden = false;
    await expect.poll(stored).toEqual([alice, dave, more, again]);
    await expect.poll(() => second.state).toBe('consuming');
  });

  it('recognises a topic that was recreated, and reads it from its start', async () => {
    const { log, append, consume, stored, lines } = await setUp();
    const ids = [randomUUID(), randomUUID()];
    await append(eventJson(ids[0]!));
    const first = consume();
    await expect.poll(stored).toHaveLength(1);
    await first.stop();
    await append(eventJson(ids[1]!));
    const renamed = replacing(
      log,
      'subscribe',
      (real) =>
        async function* (options) {
          const onAssigned: typeof options.onAssigned = (assigned) =>
            options.onAssigned(assigned.map((partition) => ({ ...partition, topicId: 'recreated' })));
          for await (const batches of real({ ...options, onAssigned }))
            yield batches.map((batch) => ({ ...batch, topicId: 'recreated' }));
        },
    );
    consume(renamed);
    await expect.poll(stored).toEqual(ids.map((id) => eventJson(id)));
    expect(lines.some(({ msg }) => msg.includes('was recreated'))).toBe(true);
  });
});
