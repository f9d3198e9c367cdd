import { describe, expect, it } from 'vitest';
import { accounts } from '../../src/processing/ledger.ts';
import {
  ALL_KEPT,
  DAY_MS,
  type EventStore,
  type EventToStore,
  FencedError,
  HOUR_MS,
  type KeptDays,
  keeps,
  TYPE_DIMENSION,
  USER_DIMENSION,
} from '../../src/store/event-store.ts';
import { expiredIn, removeExpired } from '../support/expired.ts';
import { newBatch, newEvent, TOPIC } from '../support/store-batches.ts';
import { claimAndStore } from '../support/storing.ts';
import type { StoreHarness } from './event-store.contract.ts';

const DEVICE = 'payload.device';
/** Resent around the day from which events are kept. */
const RESENT = 100_000;
const BATCH = 5000;

/** An event of a day, by all its properties apart from its key. */
function eventOn(day: number, given: Partial<EventToStore> = {}): EventToStore {
  const hour = day * 24 + 5;
  return newEvent({ userId: 'u', eventType: 'T', hour, time: hour * HOUR_MS + 7, counted: [], ...given });
}

async function everything(store: EventStore) {
  const all = { after: 0, upTo: (await store.watermarks()).stable, limit: 1000, order: 'asc' } as const;
  const times = { after: { time: -1e15, sequence: 0 }, before: { time: 1e15, sequence: 0 }, limit: 1000 };
  const values = (dimension: string) => store.counts.valuesFrom(dimension, '', 99);
  return {
    read: (await store.read(all)).map(({ json }) => json),
    byTime: (await store.readByTime({ ...times, order: 'asc' })).map(({ json }) => json),
    ofUser: (await store.read({ ...all, userId: 'u' })).length,
    ofUserByTime: (await store.readByTime({ ...times, order: 'desc', userId: 'u' })).length,
    totals: await store.counts.totals(),
    byHour: await store.counts.byHour({ from: -1e6, to: 1e6 }),
    users: await store.counts.distinctByDay(USER_DIMENSION, { from: -1e5, to: 1e5 }),
    devices: await store.counts.distinctByDay(DEVICE, { from: -1e5, to: 1e5 }),
    top: await store.counts.topValues(USER_DIMENSION, 10, 99),
    topDevices: await store.counts.topValues(DEVICE, 10, 99),
    known: await Promise.all([USER_DIMENSION, TYPE_DIMENSION, DEVICE].map(values)),
    user: await store.counts.ofUser('u'),
    occurrences: (await store.counts.occurrences({ ...times, eventType: 'T' })).length,
    byInterval: await store.counts.byInterval({ ...times, origin: -1e15, length: 2e15 }),
  };
}

const from = (others: number, types: KeptDays['types'] = []): KeptDays => ({ others, types });
/** The lowest UUIDv7 of a day. */
function firstIdOf(day: number): string {
  const hex = (day * DAY_MS).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}

const ledger = async (store: EventStore) => accounts(await store.positions(TOPIC.group, TOPIC.topic))[0]!;

/** What leaves a store, and what does not come back. */
export function retentionContract(open: () => Promise<StoreHarness>): void {
  it('keeps everything until it is told otherwise, then from a day that never moves back', async () => {
    const { store, second } = await open();
    expect(await store.retention.keptDays()).toEqual(ALL_KEPT);
    expect(await expiredIn(store)).toEqual([]);
    expect(await store.retention.keepFrom(from(10, [{ eventType: 'T', day: 5 }]))).toEqual(
      from(10, [{ eventType: 'T', day: 5 }]),
    );
    // A type without a day of its own now is one of the others; what was removed of it stays removed.
    const later = from(12, [{ eventType: 'T', day: 12 }]);
    expect(await store.retention.keepFrom(from(12))).toEqual(later);
    expect(await store.retention.keepFrom(from(3, [{ eventType: 'U', day: 1 }]))).toEqual(
      from(12, [...later.types, { eventType: 'U', day: 12 }]),
    );
    const other = await second();
    expect(await other.retention.keptDays()).toEqual(await store.retention.keptDays());
    expect(await other.claim(TOPIC, [0])).toMatchObject([{ keptDays: await store.retention.keptDays() }]);
  });

  it('moves the day of a type by itself, however far the others are, also when two do it at once', async () => {
    const { store, second } = await open();
    const other = await second();
    const days = (day: number) => from(day, [{ eventType: 'T', day: day - 15 }]);
    await Promise.all([store, other].map(({ retention }) => retention.keepFrom(days(20))));
    expect(await store.retention.keptDays()).toEqual(days(20));
    await claimAndStore(store, [eventOn(5), eventOn(6), eventOn(20), eventOn(20, { eventType: 'U' })]);
    expect(await store.retention.keepFrom(days(21))).toEqual(days(21));
    expect(await removeExpired(store, { limit: 3 })).toBe(2);
    expect(await store.counts.totals()).toMatchObject([{ eventType: 'T', events: 2 }]);
  });

  it('rejects whoever does not know the day yet, and nobody when it does not move', async () => {
    const { store } = await open();
    const [claim] = await store.claim(TOPIC, [0]);
    await store.retention.keepFrom(from(10));
    await expect(store.process([newBatch([eventOn(3)], { epoch: claim!.epoch })])).rejects.toThrow(
      FencedError,
    );
    const [next] = await store.claim(TOPIC, [0]);
    await store.retention.keepFrom(from(10));
    await store.retention.keepFrom(from(9));
    await store.process([newBatch([eventOn(10)], { epoch: next!.epoch })]);
    expect(await ledger(store)).toMatchObject({ stored: 1 });
  });

  it('leaves nothing of what it removes, and of the rest everything as if the others had never come', async () => {
    const counted: EventToStore['counted'] = [[DEVICE, 'phone']];
    const kept = [
      eventOn(10, { json: 'kept', counted }),
      eventOn(11, { json: 'later', userId: 'v', counted: [[DEVICE, 'tablet']] }),
      eventOn(10, { json: 'w', userId: 'w', eventType: 'LONG', counted }),
      eventOn(2, { json: 'long ago', eventType: 'LONG', counted }),
    ];
    const old = [
      eventOn(9, { json: 'old', counted }),
      eventOn(9, { json: 'only then', userId: 'gone', counted }),
      eventOn(-3, { json: 'before 1970', userId: 'gone', eventType: 'GONE', counted }),
      eventOn(10, { json: 'short', userId: 'gone', eventType: 'SHORT', counted }),
      eventOn(10, { json: 'short, too', eventType: 'SHORT', counted }),
    ];
    const days = from(10, [
      { eventType: 'LONG', day: 1 },
      { eventType: 'SHORT', day: 11 },
    ]);
    const [{ store }, { store: never }] = await Promise.all([open(), open()]);
    await claimAndStore(store, [...old.slice(0, 2), kept[0]!, kept[3]!, ...old.slice(2), kept[1]!, kept[2]!]);
    await claimAndStore(never, [kept[0]!, kept[3]!, kept[1]!, kept[2]!]);
    await store.retention.keepFrom(days);
    expect(await removeExpired(store, { counted, limit: 3 })).toBe(old.length);
    expect(await store.get(old.map(({ key }) => key))).toEqual(new Map());
    const { byInterval, ...left } = await everything(store);
    const { byInterval: expected, ...others } = await everything(never);
    expect(left).toEqual(others);
    expect(byInterval.counts).toEqual(expected.counts);
    expect(left.read).toEqual(['kept', 'long ago', 'later', 'w']);
    expect(await store.counts.sequenceRange({ from: 9 * 24, to: 9 * 24 + 23 })).toBeUndefined();
    expect(await expiredIn(store)).toEqual([]);
  });

  it('does not store again what it removed, under whatever time it comes', async () => {
    const { store, second } = await open();
    const old = [eventOn(3), eventOn(3)];
    await claimAndStore(store, [...old, eventOn(20)]);
    await store.retention.keepFrom(from(10));
    expect(await removeExpired(store, { limit: 3 })).toBe(2);
    const again = old.map(({ key }) => eventOn(20, { key }));
    const fresh = eventOn(20);
    const other = await second();
    const [claim] = await other.claim(TOPIC, [0]);
    const batch = newBatch([again[0]!, fresh, again[1]!, again[0]!], {
      epoch: claim!.epoch,
      fromOffset: 3,
      nextOffset: 9,
      expired: 2,
    });
    expect(await other.process([batch])).toEqual({
      stored: [[false, true, false, false]],
      conflicts: 0,
      expired: expect.arrayContaining([again[0]!.key, again[1]!.key]),
    });
    expect(await ledger(store)).toMatchObject({ stored: 4, duplicates: 0, expired: 5, unaccounted: 0 });
    expect((await everything(store)).totals).toMatchObject([{ events: 2 }]);
  });

  it('does not store a removed event again as one of another type, though its id shows that it is older than its own', async () => {
    const { store } = await open();
    const key = firstIdOf(3);
    await claimAndStore(store, [eventOn(3, { key, json: `{"eventId":"${key}"}` }), eventOn(20)]);
    await store.retention.keepFrom(from(1, [{ eventType: 'T', day: 10 }]));
    expect(await removeExpired(store, { limit: 3 })).toBe(1);
    expect(await store.retention.removedKeys([key])).toEqual(new Set([key]));
    const [claim] = await store.claim(TOPIC, [0]);
    const again = eventOn(20, { key, eventType: 'LONG' });
    expect(keeps(claim!.keptDays)({ ...again, eventId: key })).toBe(true);
    const batch = newBatch([again], { epoch: claim!.epoch, fromOffset: 2, nextOffset: 3 });
    expect(await store.process([batch])).toMatchObject({ stored: [[false]], expired: [key] });
  });

  it('finds again what was found before and not removed', async () => {
    const { store } = await open();
    await claimAndStore(store, [eventOn(3), eventOn(4), eventOn(3, { eventType: 'U' })]);
    await store.retention.keepFrom(from(10));
    expect(await expiredIn(store, 2)).toHaveLength(3);
    expect(await removeExpired(store, { limit: 3 })).toBe(3);
  });

  it('goes on after all events are removed: sequences, counts and positions', async () => {
    const { store } = await open();
    await claimAndStore(store, [eventOn(3), eventOn(4)]);
    const before = await store.watermarks();
    await store.retention.keepFrom(from(10));
    expect(await removeExpired(store, { limit: 3 })).toBe(2);
    expect(await store.watermarks()).toMatchObject({ latest: before.latest });
    expect(await store.claim(TOPIC, [0])).toMatchObject([{ offset: 2 }]);
    await claimAndStore(store, [eventOn(12, { json: 'new' })]);
    const { stable, latest } = await store.watermarks();
    expect(latest).toBeGreaterThan(before.latest);
    expect(await store.read({ order: 'asc', after: before.latest, upTo: stable, limit: 9 })).toMatchObject([
      { json: 'new' },
    ]);
    expect(await store.counts.totals()).toMatchObject([{ events: 1 }]);
    expect(await store.counts.ofUser('u')).toMatchObject({ events: 1 });
  });

  it('removes an event once, and takes no value from the counts that was not counted', async () => {
    const { store } = await open();
    const device: EventToStore['counted'] = [[DEVICE, 'phone']];
    await claimAndStore(store, [eventOn(3, { counted: device }), eventOn(3)]);
    await store.retention.keepFrom(from(10));
    const [first, later] = await expiredIn(store);
    const one = [{ sequence: later!.sequence, counted: [['payload.other', 'x']] as const }];
    expect(await store.retention.remove(one)).toBe(1);
    expect(await store.retention.remove(one)).toBe(0);
    expect(await store.counts.topValues(DEVICE, 3, 9)).toEqual([{ value: 'phone', events: 1 }]);
    expect(await store.retention.remove([{ sequence: first!.sequence, counted: device }])).toBe(1);
    expect(await store.counts.topValues(DEVICE, 3, 9)).toEqual([]);
    expect(await store.counts.totals()).toEqual([]);
  });

  it('removes what was dead-lettered before a time', async () => {
    const { store } = await open();
    const [claim] = await store.claim(TOPIC, [0]);
    const letter = (offset: number, day: number) => ({
      key: null,
      offset,
      digest: 'd',
      reason: 'empty',
      detail: 'why',
      attempt: 1,
      deadLetteredAt: new Date(day * DAY_MS),
      deadLetterPartition: 0,
      deadLetterOffset: offset,
    });
    const deadLetters = [letter(0, 7), letter(1, 5), letter(2, 6)];
    await store.process([newBatch([], { epoch: claim!.epoch, nextOffset: 3, deadLetters })]);
    const left = async () => {
      const letters = await store.deadLetters(TOPIC.group, { limit: 9 });
      return letters.map(({ offset }) => offset);
    };
    expect(await store.retention.removeDeadLetters(new Date(7 * DAY_MS), 1)).toBe(1);
    expect(await left()).toEqual([2, 0]);
    expect(await store.retention.removeDeadLetters(new Date(7 * DAY_MS), 9)).toBe(1);
    expect(await left()).toEqual([0]);
    const next = { epoch: claim!.epoch, fromOffset: 3, nextOffset: 4, deadLetters: [letter(3, 8)] };
    await store.process([newBatch([], next)]);
    expect(await left()).toEqual([3, 0]);
  });

  describe('with a hundred thousand resends around the day', () => {
    it('stores each event that is kept once, and none that was removed', async () => {
      const { store } = await open();
      // Half of the keys show their time, half do not; half of the events are before the day.
      const events = Array.from({ length: RESENT }, (_, at) => {
        const day = at % 4 < 2 ? 9 : 10;
        if (at % 2 === 1) return eventOn(day);
        const key = firstIdOf(day).slice(0, 24) + at.toString(16).padStart(12, '0');
        return eventOn(day, { key, json: `{"eventId":"${key}"}` });
      });
      const batches = Array.from({ length: events.length / BATCH }, (_, at) =>
        events.slice(at * BATCH, (at + 1) * BATCH),
      );
      for (const batch of batches) await claimAndStore(store, batch);
      await store.retention.keepFrom(from(10));
      const old = await expiredIn(store, BATCH);
      expect(old).toHaveLength(events.length / 2);
      expect(await store.retention.remove(old.map(({ sequence }) => ({ sequence, counted: [] })))).toBe(
        old.length,
      );
      const [claim] = await store.claim(TOPIC, [0]);
      // As whoever processes: with the days of the claim, whatever time it comes with.
      const isKept = keeps(claim!.keptDays);
      let { offset } = claim!;
      for (const batch of batches) {
        const again = batch
          .map(({ key }) => eventOn(11, { key }))
          .filter((event) => isKept({ ...event, eventId: event.key }));
        const nextOffset = offset! + BATCH;
        const expired = batch.length - again.length;
        const { epoch } = claim!;
        const { stored } = await store.process([
          newBatch(again, { epoch, fromOffset: offset, nextOffset, expired }),
        ]);
        expect(stored.flat().filter(Boolean)).toEqual([]);
        offset = nextOffset;
      }
      expect(await ledger(store)).toMatchObject({
        stored: events.length,
        duplicates: events.length / 2,
        expired: events.length / 2,
        unaccounted: 0,
      });
      expect(await store.counts.totals()).toMatchObject([{ events: events.length / 2 }]);
    });
  });
}
