import { expect, it } from 'vitest';
import type { TrimRequest } from '../../../src/log/event-log.ts';
import { appendTo } from '../../support/append.ts';
import { logIn, openLog } from '../../support/embedded-log.ts';

const TOPIC = 'events';
const LATER = new Date(8.64e15);
const ALL: TrimRequest = { topic: TOPIC, before: LATER, passed: () => Number.POSITIVE_INFINITY, limit: 100 };

/** A log with five records in its partition. */
async function five() {
  const { log, file } = await openLog();
  const record = { topic: TOPIC, key: 'u', headers: [] };
  await appendTo(
    log,
    ['a', 'b', 'c', 'd', 'e'].map((value) => ({ ...record, value })),
  );
  const left = async (of = log) => {
    const found = await Array.fromAsync(of.scan(TOPIC));
    return found.flatMap(({ records }) => records.map(({ offset, value }) => `${offset}${value}`));
  };
  return { log, file, left };
}

it('removes the oldest records that are passed, and at most so many', async () => {
  const { log, file, left } = await five();
  expect(await log.trim({ ...ALL, passed: () => 3, limit: 2 })).toBe(2);
  expect(await left()).toEqual(['2c', '3d', '4e']);
  expect(await log.trim({ ...ALL, passed: () => 3, limit: 2 })).toBe(1);
  expect(await log.trim({ ...ALL, passed: () => 3, limit: 2 })).toBe(0);
  expect((await log.starts(TOPIC)).starts.get(0)).toBe(3);
  const again = logIn(file);
  expect((await again.starts(TOPIC)).starts.get(0)).toBe(3);
  expect(await left(again)).toEqual(['3d', '4e']);
});

it('removes no record of a time that is kept', async () => {
  const { log, left } = await five();
  const [first] = await log.timestamps(TOPIC, [{ partition: 0, offset: 0 }]);
  expect(await log.trim({ ...ALL, before: new Date(first as number) })).toBe(0);
  expect(await left()).toHaveLength(5);
});

it('leaves the last record, so that no offset is given out again', async () => {
  const { log, file, left } = await five();
  expect(await log.trim(ALL)).toBe(4);
  expect(await left()).toEqual(['4e']);
  const again = logIn(file);
  const [receipt] = await appendTo(again, [{ topic: TOPIC, key: 'u', headers: [], value: 'f' }]);
  expect(receipt).toMatchObject({ offset: 5 });
});

it('tells who reads where it begins', async () => {
  const { log } = await five();
  await log.trim({ ...ALL, passed: () => 2 });
  const stop = new AbortController();
  const reading = log.subscribe({
    topic: TOPIC,
    group: 'g',
    signal: stop.signal,
    onAssigned: async (assigned) => {
      expect(assigned).toMatchObject([{ earliest: 2, end: 5 }]);
      return { positions: new Map([[0, { offset: 2 }]]) };
    },
  });
  for await (const [batch] of reading) {
    expect(batch).toMatchObject({ fetchedFrom: 2, nextOffset: 5, records: [{ offset: 2 }, {}, {}] });
    stop.abort();
  }
});
