import { describe, expect, it } from 'vitest';
import type { AssignedPartition, LogRecord } from '../../../src/log/event-log.ts';
import { type Landmark, NO_EPOCH, NO_RECORD, recordDigest } from '../../../src/log/landmarks.ts';
import { Meter } from '../../../src/observability/meter.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { batchPast, reportFinding, resolveStart } from '../../../src/processing/start-position.ts';
import { listeningLogger } from '../../support/logger.ts';

/** The record at an offset, in one of two logs. */
function record(offset: number, log = 'this'): LogRecord {
  const value = Buffer.from(`${log} ${offset}`);
  return { offset, key: null, value, headers: [], timestamp: 1, timestampType: 'CreateTime' };
}

function landmark(offset: number, leaderEpoch = 3): Landmark {
  return { offset, leaderEpoch, digest: recordDigest(record(offset)) };
}

const MARKER = (offset: number): Landmark => ({ offset, leaderEpoch: NO_EPOCH, digest: NO_RECORD });

/** A log of so many records, of which those from `others` on are of another log than the one that was processed. */
function logOf(end: number, { earliest = 0, others = end } = {}) {
  const asked: number[] = [];
  return {
    asked,
    log: {
      async read(_topic: string, positions: readonly { offset: number }[]) {
        asked.push(...positions.map(({ offset }) => offset));
        return positions.map(({ offset }) =>
          offset < earliest || offset >= end ? undefined : record(offset, offset < others ? 'this' : 'other'),
        );
      },
    },
  };
}

function partition(change: Partial<AssignedPartition> & { end: number }): AssignedPartition {
  const { end } = change;
  return {
    topic: 'events',
    topicId: 'id',
    partition: 0,
    earliest: 0,
    hasOffset: async (offset) => offset <= end,
    isCurrent: async () => true,
    ...change,
  };
}

describe('reading a partition begins', () => {
  it('with the first record that the log has where nothing was processed', async () => {
    const { log, asked } = logOf(9);
    expect(
      await resolveStart(partition({ end: 9, earliest: 4 }), { offset: null, landmarks: [] }, log),
    ).toEqual({ offset: 4, leaderEpoch: NO_EPOCH, landmarks: [] });
    expect(asked).toEqual([]);
  });

  it('behind what was processed, with the epoch of the last record', async () => {
    const landmarks = [landmark(6), landmark(2)];
    const start = await resolveStart(partition({ end: 9 }), { offset: 7, landmarks }, logOf(9).log);
    expect(start).toEqual({ offset: 7, leaderEpoch: 3, landmarks });
  });

  it('behind the last record where nothing but markers was processed behind that', async () => {
    const landmarks = [MARKER(6), landmark(4), landmark(2)];
    const start = await resolveStart(partition({ end: 7 }), { offset: 7, landmarks }, logOf(5).log);
    expect(start).toEqual({ offset: 5, leaderEpoch: 3, landmarks });
  });

  it('with the first that the log has where that has deleted the last record, or there was none', async () => {
    const deleted = { offset: 7, landmarks: [MARKER(6), landmark(4)] };
    const { log, asked } = logOf(9, { earliest: 5 });
    expect(await resolveStart(partition({ end: 9, earliest: 5 }), deleted, log)).toMatchObject({
      offset: 5,
      leaderEpoch: NO_EPOCH,
    });
    expect(asked).toEqual([]);
    const none = { offset: 7, landmarks: [MARKER(6)] };
    expect(await resolveStart(partition({ end: 9, earliest: 1 }), none, log)).toMatchObject({
      offset: 1,
      leaderEpoch: NO_EPOCH,
    });
    const first = { offset: 7, landmarks: [MARKER(6), landmark(5)] };
    expect(await resolveStart(partition({ end: 9, earliest: 5 }), first, log)).toMatchObject({
      offset: 6,
      leaderEpoch: 3,
    });
  });

  it('where somebody has moved the position to, and forgets what was processed behind it', async () => {
    const landmarks = [landmark(6), landmark(3), landmark(2)];
    const back = await resolveStart(partition({ end: 9 }), { offset: 3, landmarks }, logOf(9).log);
    expect(back).toEqual({ offset: 3, leaderEpoch: 3, landmarks: [landmark(2)] });
    const forth = await resolveStart(partition({ end: 9 }), { offset: 8, landmarks }, logOf(9).log);
    expect(forth).toEqual({ offset: 8, leaderEpoch: NO_EPOCH, landmarks });
  });

  it('with the first record that is left where the log has deleted some that were not processed', async () => {
    const landmarks = [landmark(2), landmark(1)];
    const start = await resolveStart(
      partition({ end: 9, earliest: 5 }),
      { offset: 3, landmarks },
      logOf(9).log,
    );
    expect(start).toEqual({
      offset: 5,
      leaderEpoch: NO_EPOCH,
      landmarks,
      finding: { kind: 'data-gap', from: 3, to: 5 },
    });
    const exactly = await resolveStart(
      partition({ end: 9, earliest: 3 }),
      { offset: 3, landmarks },
      logOf(9).log,
    );
    expect(exactly.finding).toBeUndefined();
  });

  it.each<[string, Partial<AssignedPartition> & { end: number }, { others?: number }, number]>([
    ['ends before what was processed', { end: 5 }, {}, 4],
    ['was written again from an offset on', { end: 9 }, { others: 6 }, 4],
    ['is another by its epochs from an offset on', { end: 9, divergesAt: 4 }, {}, 4],
    ['is another from a record on that was processed last', { end: 9, divergesAt: 3 }, {}, 3],
    ['is another from its start', { end: 9 }, { others: 0 }, 0],
  ])('behind the last record that is still there where the log %s', async (_, change, others, to) => {
    const landmarks = [landmark(6, 5), landmark(3, 4), landmark(2, 2)];
    const { log } = logOf(change.end, others);
    const start = await resolveStart(partition(change), { offset: 7, landmarks }, log);
    const held = landmarks.filter(({ offset }) => offset < to);
    expect(start).toEqual({
      offset: held[0] === undefined ? 0 : held[0].offset + 1,
      leaderEpoch: held[0]?.leaderEpoch ?? NO_EPOCH,
      landmarks: held,
      finding: { kind: 'log-went-back', from: 7, to: held[0] === undefined ? 0 : held[0].offset + 1 },
    });
  });

  it('with the first that is left where a log that went back has no record that was processed', async () => {
    const { log, asked } = logOf(5, { earliest: 4 });
    const landmarks = [landmark(6), landmark(3)];
    const start = await resolveStart(partition({ end: 5, earliest: 4 }), { offset: 7, landmarks }, log);
    expect(start).toMatchObject({ offset: 4, leaderEpoch: NO_EPOCH, landmarks: [] });
    expect(asked).toEqual([]);
  });

  it('where it was when a broker knows only later that it has as much', async () => {
    const landmarks = [landmark(6)];
    const assigned = partition({ end: 5, hasOffset: async () => true });
    expect(await resolveStart(assigned, { offset: 7, landmarks }, logOf(9).log)).toEqual({
      offset: 7,
      leaderEpoch: 3,
      landmarks,
    });
  });

  it('nowhere yet while the log does not show whether it still has what was processed', async () => {
    const claim = { offset: 7, landmarks: [landmark(6)] };
    const starting = partition({ end: 5, hasOffset: async () => true });
    await expect(resolveStart(starting, claim, logOf(5).log)).rejects.toThrow(
      'the log does not show yet whether it still holds what was processed at offset 6',
    );
    const held = partition({ end: 6, hasOffset: async () => true });
    await expect(resolveStart(held, claim, logOf(6).log)).rejects.toThrow('offset 6');
    // It ends behind that record, and has none there any more: it was compacted or written again.
    expect(await resolveStart(partition({ end: 7 }), claim, logOf(6).log)).toMatchObject({
      finding: { kind: 'log-went-back', from: 7, to: 0 },
    });
  });

  it('only once a log that seems to have gone back is still as it was described', async () => {
    const claim = { offset: 7, landmarks: [landmark(6)] };
    const changed = partition({ end: 9, isCurrent: async () => false });
    await expect(resolveStart(changed, claim, logOf(9, { others: 0 }).log)).rejects.toThrow('offset 6');
    let reads = 0;
    const back = {
      read: async () => [record(6, reads++ === 0 ? 'other' : 'this')],
    };
    const start = await resolveStart(partition({ end: 9 }), claim, back);
    expect([start.offset, start.finding, reads]).toEqual([7, undefined, 2]);
  });
});

describe('a difference between log and store', () => {
  it('is said once with numbers, and counted', async () => {
    const metrics = createMetrics(new Meter());
    const { logger, lines } = listeningLogger();
    reportFinding(partition({ end: 9 }), { kind: 'data-gap', from: 3, to: 5 }, { logger, metrics });
    reportFinding(partition({ end: 9 }), { kind: 'log-went-back', from: 7, to: 4 }, { logger, metrics });
    const level = 50;
    expect(lines).toMatchObject([
      {
        level,
        topic: 'events',
        partition: 0,
        from: 3,
        to: 5,
        msg: expect.stringContaining('deleted 2 records'),
      },
      {
        level,
        topic: 'events',
        partition: 0,
        processed: 7,
        end: 9,
        readingFrom: 4,
        msg: expect.stringContaining('up to 3 processed records'),
      },
    ]);
    expect(lines).toHaveLength(2);
    const count = async (name: string) => (await metrics.registry.getSingleMetric(name)!.get()).values;
    expect(await count('footfall_data_gap_records_total')).toEqual([{ labels: { partition: 0 }, value: 2 }]);
    expect(await count('footfall_log_rewound_records_total')).toEqual([
      { labels: { partition: 0 }, value: 3 },
    ]);
  });

  it('where records are gone is passed by a batch without records, while reading goes on', () => {
    const restart = new AbortController();
    const batch = batchPast(partition({ end: 9 }), { kind: 'data-gap', from: 3, to: 5 }, restart.signal);
    expect(batch).toMatchObject({
      topic: 'events',
      topicId: 'id',
      partition: 0,
      fetchedFrom: 5,
      nextOffset: 5,
      records: [],
      leaderEpoch: NO_EPOCH,
    });
    batch.commit();
    expect(batch.isAssigned()).toBe(true);
    restart.abort();
    expect(batch.isAssigned()).toBe(false);
  });
});
