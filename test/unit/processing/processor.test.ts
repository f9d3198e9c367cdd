import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Catalog } from '../../../src/events/catalog.ts';
import type { LogRecord } from '../../../src/log/event-log.ts';
import { Meter } from '../../../src/observability/meter.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { accounts } from '../../../src/processing/ledger.ts';
import { type ClaimedBatch, Processor } from '../../../src/processing/processor.ts';
import { ALL_KEPT, FencedError } from '../../../src/store/event-store.ts';
import { MemoryStore } from '../../../src/store/memory/memory-store.ts';
import { openLog } from '../../support/embedded-log.ts';
import { listeningLogger } from '../../support/logger.ts';

const REF = { group: 'group', topic: 'events', topicId: 'id' };

function record(offset: number, value: string | null, headers: LogRecord['headers'] = []): LogRecord {
  const bytes = value === null ? null : Buffer.from(value);
  return { offset, key: null, value: bytes, headers, timestamp: 0, timestampType: 'CreateTime' };
}

function eventJson(eventId: string, payload = '{}', timestamp = '2024-02-14T10:30:00.000Z'): string {
  return `{"eventId":"${eventId}","userId":"u","eventType":"LOGIN","timestamp":"${timestamp}","payload":${payload}}`;
}

/** A processor, and batches of partition 0 for it, which is claimed. */
async function setUp({ logEvery = 1, countedProperties = [] as string[] } = {}) {
  const { log } = await openLog();
  const store = new MemoryStore();
  const metrics = createMetrics(new Meter());
  const { logger, lines } = listeningLogger();
  logger.level = 'debug';
  const stored: string[] = [];
  const duplicates: string[] = [];
  const processor = new Processor({
    log,
    store,
    catalog: new Catalog(),
    group: REF.group,
    countedProperties,
    onStored: (keys) => stored.push(...keys),
    onDuplicates: (events) => duplicates.push(...events.map(({ eventId }) => eventId)),
    logger,
    metrics,
    logEvery,
  });
  const [claim] = await store.claim(REF, [0]);
  const { epoch } = claim!;
  return {
    processor,
    store,
    lines,
    told: stored,
    toldAgain: duplicates,
    batch: (
      records: LogRecord[],
      placed: Partial<ClaimedBatch> & { nextOffset: number; fetchedFrom?: number },
    ) => {
      const { nextOffset, fetchedFrom = 0, ...place } = placed;
      const of = { ...REF, partition: 0, leaderEpoch: -1, isAssigned: () => true, commit() {} };
      return {
        epoch,
        fromOffset: null,
        fromRewound: 0,
        rewound: 0,
        landmarks: [],
        firstOffset: 0,
        keptDays: ALL_KEPT,
        ...place,
        batch: { ...of, records, nextOffset, fetchedFrom },
      };
    },
    account: async () => accounts(await store.positions(REF.group, REF.topic))[0],
    count: async (name: string) => (await metrics.registry.getSingleMetric(name)!.get()).values,
  };
}

describe('the processor', () => {
  it('books records before a batch that the log had deleted as lost, and nothing else of them', async () => {
    const { processor, batch, account } = await setUp();
    await processor.process([batch([record(0, eventJson('a'))], { nextOffset: 1 })]);
    const later = { fromOffset: 1, firstOffset: 5, fetchedFrom: 5, nextOffset: 7 };
    await processor.process([batch([record(5, eventJson('b')), record(6, 'junk')], later)]);
    expect(await account()).toMatchObject({ passed: 7, stored: 2, deadLettered: 1, lost: 4, unaccounted: 0 });
    expect(await account()).toMatchObject({ withoutRecord: 0, rewound: 0, duplicates: 0 });
  });

  it('books nothing as lost at the first batch, wherever it begins, nor where it goes back', async () => {
    const { processor, batch, account } = await setUp();
    await processor.process([
      batch([record(3, eventJson('a')), record(4, eventJson('b'))], {
        firstOffset: 3,
        fetchedFrom: 3,
        nextOffset: 5,
      }),
    ]);
    const again = { fromOffset: 5, firstOffset: 4, fetchedFrom: 4, nextOffset: 6, rewound: 1 };
    await processor.process([batch([record(4, eventJson('c')), record(5, eventJson('b'))], again)]);
    expect(await account()).toMatchObject({ passed: 4, stored: 3, duplicates: 1, rewound: 1, lost: 0 });
  });

  it('books offsets without a record only as far as they were asked for', async () => {
    const { processor, batch, account } = await setUp();
    // Of 0 to 9, 0 to 2 were never asked for: that they are missing is a promise broken.
    const hole = { fetchedFrom: 3, nextOffset: 10 };
    await processor.process([batch([record(4, eventJson('a')), record(8, eventJson('b'))], hole)]);
    expect(await account()).toMatchObject({ passed: 10, stored: 2, withoutRecord: 5, unaccounted: 3 });
    // The log was asked from 8 on, for a batch of which 8 and 9 are processed.
    const overlapping = { fromOffset: 10, firstOffset: 10, fetchedFrom: 8, nextOffset: 12 };
    await processor.process([batch([record(11, eventJson('c'))], overlapping)]);
    expect(await account()).toMatchObject({ passed: 12, stored: 3, withoutRecord: 6, unaccounted: 3 });
  });

  it('counts what became of records, and says of each n-th event that it is stored', async () => {
    const { processor, batch, lines, count, told, toldAgain } = await setUp({ logEvery: 2 });
    const ids = Array.from({ length: 3 }, () => randomUUID());
    const values = [...ids.map((id) => eventJson(id)), eventJson(ids[0]!), 'junk', null];
    const records = values.map((value, offset) => record(offset, value));
    await processor.process([batch(records, { nextOffset: 6 })]);
    expect(await count('footfall_events_processed_total')).toEqual([
      { labels: { outcome: 'stored' }, value: 3 },
      { labels: { outcome: 'duplicate' }, value: 1 },
      { labels: { outcome: 'dead-lettered' }, value: 2 },
      { labels: { outcome: 'expired' }, value: 0 },
    ]);
    expect(toldAgain).toEqual([ids[0]]);
    expect(await count('footfall_dead_letters_total')).toEqual([
      { labels: { reason: 'empty' }, value: 1 },
      { labels: { reason: 'not-json' }, value: 1 },
      { labels: { reason: 'invalid' }, value: 0 },
    ]);
    expect(lines.map(({ msg }) => msg)).toEqual([
      '[Consumer] Record dead-lettered',
      '[Consumer] Record dead-lettered',
      `[Consumer] Event processed - eventId: ${ids[0]}`,
      `[Consumer] Event processed - eventId: ${ids[2]}`,
      `[Consumer] Duplicate event skipped - eventId: ${ids[0]}`,
    ]);
    expect(lines[0]).toMatchObject({ partition: 0, offset: 4, reason: 'not-json', detail: /./ });
    expect(lines[2]).toMatchObject({ partition: 0 });
    expect(told).toEqual([...ids, ids[0]]);
  });

  it('stores no event that is too old, nor one that was removed, and calls neither a duplicate', async () => {
    const { processor, batch, store, account, count, told, toldAgain, lines } = await setUp({ logEvery: 1 });
    const removed = eventJson(randomUUID());
    await processor.process([batch([record(0, removed)], { nextOffset: 1 })]);
    const keptDays = await store.retention.keepFrom({ others: 1, types: [] });
    const [claim] = await store.claim(REF, [0]);
    const [found] = await store.read({ order: 'asc', after: 0, upTo: 1, limit: 1 });
    await store.retention.remove([{ sequence: found!.sequence, counted: [] }]);
    const old = eventJson(randomUUID()).replace(/"timestamp":"[^"]*"/, '"timestamp":"1970-01-01T23:59:59Z"');
    const again = { ...claim!, keptDays, fromOffset: 1, fromRewound: 0, firstOffset: 1, fetchedFrom: 1 };
    const next = batch([record(1, old), record(2, removed)], { ...again, nextOffset: 3 });
    await processor.process([next]);
    expect(await account()).toMatchObject({ stored: 1, duplicates: 0, expired: 2, unaccounted: 0 });
    expect((await count('footfall_events_processed_total')).at(-1)).toMatchObject({ value: 2 });
    expect([told.length, toldAgain]).toEqual([1, []]);
    expect(lines.map(({ msg }) => msg).filter((line) => /Duplicate/.test(String(line)))).toEqual([]);
  });

  it('says nothing of single events where it is told to log none', async () => {
    const { processor, batch, lines } = await setUp({ logEvery: 0 });
    await processor.process([batch([record(0, eventJson('a'))], { nextOffset: 1 })]);
    expect(lines).toEqual([]);
  });

  it('counts events that came again with another body', async () => {
    const { processor, batch, count } = await setUp();
    const values = [
      eventJson('a'),
      eventJson('a', '{"other":1}'),
      eventJson('a', '{}', '2025-01-01T00:00:00Z'),
    ];
    await processor.process([
      batch(
        values.map((value, offset) => record(offset, value)),
        { nextOffset: 3 },
      ),
    ]);
    expect(await count('footfall_event_conflicts_total')).toMatchObject([{ value: 1 }]);
    expect(await count('footfall_process_seconds')).toContainEqual(
      expect.objectContaining({ metricName: 'footfall_process_seconds_count', value: 1 }),
    );
  });

  it('counts the values of members that it is told to, by the day of the event, where they are short texts', async () => {
    const { processor, batch, store } = await setUp({ countedProperties: ['cart.currency'] });
    const payloads = [
      '{"cart":{"currency":"EUR"}}',
      '{"cart":{"currency":1.0}}',
      '{}',
      '{"cart":{"currency":{}}}',
    ];
    payloads.push(`{"cart":{"currency":"${'x'.repeat(256)}"}}`, '{"cart":{"currency":"EUR"}}');
    const records = payloads.map((payload, at) => record(at, eventJson(`${at}`, payload)));
    await processor.process([batch(records, { nextOffset: 6 })]);
    const day = Date.UTC(2024, 1, 14) / 86_400_000;
    expect(await store.counts.topValues('payload.cart.currency', day, 10)).toEqual([
      { value: 'EUR', events: 2 },
      { value: '1', events: 1 },
    ]);
    expect(await store.counts.byHour({ from: day * 24 + 10, to: day * 24 + 10 })).toMatchObject([
      { events: 6 },
    ]);
  });

  it('keeps events of different callers apart that have the same id', async () => {
    const { processor, batch, account } = await setUp();
    const from = (caller: string): LogRecord['headers'] => [['event-caller', Buffer.from(caller)]];
    await processor.process([
      batch(
        [
          record(0, eventJson('a'), from('one')),
          record(1, eventJson('a'), from('other')),
          record(2, eventJson('a'), from('one')),
        ],
        { nextOffset: 3 },
      ),
    ]);
    expect(await account()).toMatchObject({ stored: 2, duplicates: 1 });
  });

  it('stores nothing of a partition that another has claimed, and tells nobody', async () => {
    const { processor, batch, store, told, count } = await setUp();
    await store.claim(REF, [0]);
    const late = batch([record(0, eventJson('a'))], { nextOffset: 1 });
    await expect(processor.process([late])).rejects.toThrow(FencedError);
    expect(told).toEqual([]);
    expect(await count('footfall_events_processed_total')).not.toContainEqual(
      expect.objectContaining({ value: 1 }),
    );
  });
});
