import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { searchSteps } from '../../../src/loop-turns.ts';
import { COUNT_MOST, type CountLimits } from '../../../src/query/count-budget.ts';
import { type DifferenceQuery, findDifference } from '../../../src/query/event-difference.ts';
import { HourTally, KeptValues, tell } from '../../../src/query/kept-values.ts';
import { HOUR_MS } from '../../../src/store/event-store.ts';
import { MemoryStore } from '../../../src/store/memory/memory-store.ts';
import { eventAt, UNLIMITED } from '../../support/counted-events.ts';
import { claimAndStore } from '../../support/storing.ts';

/** The first of three hours is selected. */
const QUERY: DifferenceQuery = {
  from: 0,
  to: HOUR_MS,
  baselineFrom: 0,
  baselineTo: 3 * HOUR_MS,
  payload: [],
  top: 100,
};
const HOURS = [0, 1, 2];

let store: MemoryStore;
/** Hours of which events were read. */
let read: Set<number>;

function eventsOf(hour: number, users: readonly string[], type = 'LOGIN') {
  return users.map((user, at) => eventAt(hour * HOUR_MS + at, user, type, '{"x":1}'));
}

function watched(): MemoryStore {
  const opened = new MemoryStore();
  const readByTime = opened.readByTime.bind(opened);
  opened.readByTime = async (query) => {
    const found = await readByTime(query);
    for (const { time } of found) read.add(Math.floor(time / HOUR_MS));
    return found;
  };
  return opened;
}

/** How many events of each user are selected, and are not. */
async function users(kept: KeptValues, query = QUERY, limits: CountLimits = UNLIMITED) {
  read.clear();
  const { values, events, baselineEvents } = await findDifference(store, query, limits, kept);
  const own = values.filter(({ name }) => name === 'userId');
  return [events, baselineEvents, ...own.map((one) => [one.value, one.events, one.baselineEvents])];
}

beforeEach(async () => {
  read = new Set();
  store = watched();
  for (const hour of HOURS) await claimAndStore(store, eventsOf(hour, ['ada', hour === 0 ? 'bob' : 'eve']));
});

describe('values of hours', () => {
  it('are read once, whatever of them is asked for next', async () => {
    const kept = new KeptValues();
    const expected = [2, 4, ['bob', 1, 0]];
    expect(await users(kept)).toEqual(expected);
    expect([...read]).toEqual(HOURS);
    expect(await users(kept)).toEqual(expected);
    expect([...read]).toEqual([]);
    const second = { ...QUERY, from: HOUR_MS, to: 2 * HOUR_MS };
    expect(await users(kept, second)).toEqual([2, 4, ['eve', 1, 1]]);
    expect(await users(kept, { ...second, eventTypes: ['LOGIN'] })).toEqual([2, 4, ['eve', 1, 1]]);
    expect([...read]).toEqual([]);
    // The parts of hours at the edges.
    await users(kept, { ...QUERY, baselineTo: 2.5 * HOUR_MS });
    expect([...read]).toEqual([2]);
  });

  it('are read again where the hour has more events since, of whatever type', async () => {
    const kept = new KeptValues();
    await users(kept);
    await claimAndStore(store, eventsOf(1, ['bob', 'bob'], 'LOGOUT'));
    expect(await users(kept)).toEqual([2, 6, ['ada', 1, 2], ['bob', 1, 2]]);
    expect([...read]).toEqual([1]);
    await users(kept, { ...QUERY, eventTypes: ['LOGOUT'] });
    expect([...read]).toEqual([]);
    await claimAndStore(store, eventsOf(2, ['bob']));
    expect(await users(kept)).toEqual([2, 7, ['ada', 1, 2], ['bob', 1, 3]]);
    expect([...read]).toEqual([2]);
  });

  it('are not taken for those of a store that has gone back and has as many other events', async () => {
    const kept = new KeptValues();
    await users(kept);
    store = watched();
    for (const hour of HOURS) await claimAndStore(store, eventsOf(hour, ['ada', hour === 0 ? 'zoe' : 'eve']));
    expect(await users(kept)).toEqual([2, 4, ['zoe', 1, 0]]);
    store = watched();
    expect(await users(kept)).toEqual([0, 0]);
  });

  it.each([
    ['the latest', [1, 2]],
    ['an earlier time', [2, 1]],
  ])('are not taken for those of a store that has gone back by one event, of %s', async (_what, times) => {
    const [first, second, other] = ['ada', 'bob', 'zoe'].map((user, at) =>
      eventAt(times[Math.min(at, 1)]!, user, 'LOGIN', '{}'),
    );
    const kept = new KeptValues();
    const query = { ...QUERY, baselineTo: HOUR_MS };
    store = watched();
    await claimAndStore(store, [first!, second!]);
    await users(kept, query);
    store = watched();
    await claimAndStore(store, [first!, other!]);
    expect(await users(kept, query)).toEqual([2, 0, ['ada', 1, 0], ['zoe', 1, 0]]);
  });

  it('are not kept while others may be stored before the latest of them, nor found of a part of an hour', async () => {
    const kept = new KeptValues();
    const { watermarks } = store;
    store.watermarks = async () => ({ latest: 6, stable: 5 });
    await users(kept);
    store.watermarks = watermarks;
    await users(kept);
    expect([...read]).toEqual([2]);

    await claimAndStore(store, eventsOf(1, new Array(100).fill('eve')));
    const stopped = new KeptValues();
    await users(stopped, QUERY, { ...UNLIMITED, isWanted: () => !read.has(2) });
    expect(await users(stopped)).toEqual([2, 104, ['bob', 1, 0], ['ada', 1, 2]]);
    expect([...read]).toEqual([1, 2]);
  });

  it('give place to what is asked now, unless that takes all the place there is', async () => {
    const one = new KeptValues();
    await users(one, { ...QUERY, baselineTo: 1 });
    const kept = new KeptValues(one.bytes);
    await users(kept, { ...QUERY, baselineTo: 1 });
    await users(kept);
    expect([...read]).toEqual([1, 2]);
    await users(kept);
    expect([...read]).toEqual([1, 2]);
    // Of these hours none is kept.
    const later = { ...QUERY, from: HOUR_MS, baselineFrom: HOUR_MS, to: 2 * HOUR_MS };
    await users(kept, later);
    await users(kept, later);
    expect([...read]).toEqual([2]);
    expect(kept.bytes).toBeLessThanOrEqual(2 * one.bytes);
  });

  it('are counted exactly, and not kept, where an hour has very many', async () => {
    const events = Array.from({ length: 1200 }, (_, at) => {
      const members = Array.from({ length: 100 }, (_, member) => [`n${member}`, at]);
      return eventAt(at, `user-${at % 900}`, 'LOGIN', JSON.stringify(Object.fromEntries(members)));
    });
    await claimAndStore(store, events);
    const kept = new KeptValues();
    let reserved = 0;
    const limits = {
      most: COUNT_MOST,
      reserve: (bytes: number) => {
        reserved += bytes;
      },
      isWanted: () => true,
    };
    const [selected, others] = await users(kept, QUERY, limits);
    expect([selected, others]).toEqual([1202, 4]);
    expect(kept.bytes).toBeLessThan(10_000);
    expect(reserved).toBeGreaterThan(5_000_000);
    expect(reserved).toBeLessThan(20_000_000);
    await users(kept);
    expect([...read]).toEqual([0]);
  });
});

describe('what may be read', () => {
  const part = { baselineTo: 2.5 * HOUR_MS };
  it.each([
    ['parts of hours', { from: 1, to: HOUR_MS - 1, baselineFrom: 1, baselineTo: HOUR_MS - 1 }, false],
    ['a user', { ...part, userId: 'ada' }, false],
    ['whole hours and a part', part, false],
    ['whole hours that are kept and a part', part, true],
  ])('is all events of %s, not one more, and none once nobody waits', async (_what, asked, isKept) => {
    const kept = new KeptValues();
    const query = { ...QUERY, ...asked };
    const [selected, others] = await users(isKept ? kept : new KeptValues(), query);
    const all = (selected as number) + (others as number);
    const limited = (most: number) => ({ ...UNLIMITED, most: { ...COUNT_MOST, read: most } });
    await users(kept, query, limited(all));
    await expect(users(kept, query, limited(all - 1))).rejects.toMatchObject({ code: 'too_many_events' });
    expect(await users(kept, query, { ...UNLIMITED, isWanted: () => false })).toEqual([0, 0]);
  });

  it('lets others in between where very many values are kept', async () => {
    const kept = new KeptValues();
    const next = vi.spyOn(searchSteps, 'next');
    onTestFinished(() => next.mockRestore());
    const stepsFor = async () => {
      await users(kept);
      next.mockClear();
      await users(kept);
      return next.mock.calls.length;
    };
    const before = await stepsFor();
    const members = (at: number) => Array.from({ length: 100 }, (_, member) => [`n${member}`, at]);
    const events = Array.from({ length: 520 }, (_, at) =>
      eventAt(HOUR_MS + at, 'ada', 'LOGIN', JSON.stringify(Object.fromEntries(members(at)))),
    );
    await claimAndStore(store, events);
    expect(await stepsFor()).toBe(before + 1);
  });
});

describe('the values of an hour', () => {
  it('are told as they were read, by type, without those that no filter can ask for', () => {
    const tally = new HourTally();
    const { json } = eventAt(0, 'ada', 'LOGIN', `{"a":1,"b":"${'x'.repeat(256)}","\\u0000":2}`);
    tally.add(json);
    tally.add(json);
    tally.add(eventAt(0, 'bob', 'LOGOUT', '{}').json);
    const told: [string, string | null, number][] = [];
    const reader = {
      group: (property: string) => (property === '.eventType' ? undefined : property),
      see: (property: string, value: string | null, times: number) =>
        void told.push([property, value, times]),
    };
    const types = tally.result();
    expect([...types].map(([type, values]) => [type, tell(values, reader)])).toEqual([
      ['LOGIN', 2],
      ['LOGOUT', 1],
    ]);
    expect(told).toEqual([
      ['.userId', 'ada', 2],
      ['a', null, 2],
      ['a', '1', 2],
      ['b', null, 2],
      ['.userId', 'bob', 1],
    ]);
  });
});

describe('what is kept', () => {
  const NEWEST = { sequence: 1, json: '{}' };
  const use = () => ({ hasKept: false });

  /** Keeps hours of events of a type, each with one of these payloads. */
  function keepHours(
    kept: KeptValues,
    payloads: readonly string[],
    hours: readonly number[],
    newest = NEWEST,
  ) {
    const tally = new HourTally();
    for (const payload of payloads) tally.add(eventAt(0, 'ada', 'LOGIN', payload).json);
    for (const hour of hours) kept.keep(use(), hour, tally.result(), newest);
    return kept;
  }

  const bytesOf = (payloads: readonly string[], hours: readonly number[]) =>
    keepHours(new KeptValues(), payloads, hours).bytes;

  it('takes memory for each value of an hour, and for each text once', () => {
    const one = ['{"x":1}'];
    const inOne = bytesOf(one, [0]);
    expect(bytesOf(one, [0, 0])).toBe(inOne);
    const ofAnother = (payloads: readonly string[]) => bytesOf(payloads, [0, 1]) - bytesOf(payloads, [0]);
    expect(ofAnother(one)).toBeLessThan(inOne - 2 * '.eventTypeLOGIN.userIdadax1'.length);
    expect(ofAnother(['{"x":1}', '{"x":2}']) - ofAnother(one)).toBe(8 + Uint32Array.BYTES_PER_ELEMENT);
    expect(ofAnother(['{"x":1,"y":1}']) - ofAnother(one)).toBeGreaterThan(100);
    expect(bytesOf([`{"x":"${'1'.repeat(100)}"}`], [0])).toBe(inOne + 2 * 99);
  });

  it('gives all its place to a new question, once it is full', () => {
    const kept = keepHours(new KeptValues(1), ['{"x":1}'], [0]);
    const before = kept.bytes;
    keepHours(kept, ['{"x":1}'], [1]);
    expect(kept.bytes).toBe(before);
    const counts = { eventType: 'LOGIN', events: 1 };
    expect(kept.get(use(), 0, [{ ...counts, hour: 0 }])).toBeUndefined();
    expect(kept.get(use(), 1, [{ ...counts, hour: 1 }])).toHaveLength(1);
  });

  it.each([[[3, 5, 4]], [[5, 3]], [[3, 5]]])('is compared with the latest event of %j', async (sequences) => {
    const kept = new KeptValues();
    for (const sequence of sequences) keepHours(kept, ['{}'], [sequence], { sequence, json: '{}' });
    const read = vi.fn(async () => []);
    await kept.begin({ read });
    expect(read).toHaveBeenCalledWith(expect.objectContaining({ after: 4, upTo: 5 }));
  });
});
