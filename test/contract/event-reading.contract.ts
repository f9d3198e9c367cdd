import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import type {
  EventStore,
  EventToStore,
  ReadQuery,
  StoreBatch,
  StoredEvent,
} from '../../src/store/event-store.ts';
import { READ_BYTES } from '../../src/store/event-store.ts';
import { newBatch, newEvent, TOPIC } from '../support/store-batches.ts';
import type { StoreHarness } from './event-store.contract.ts';

const DAY = 20_000;
const HOUR = DAY * 24;

function event(userId: string, eventType: string, more: Partial<EventToStore> = {}): EventToStore {
  const key = randomUUID();
  const json = JSON.stringify({ eventId: key, userId, eventType });
  return newEvent({ key, userId, eventType, hour: HOUR, json, ...more });
}

/** Stores batches of partition 0, one after the other. */
async function storeAll(store: EventStore, batches: EventToStore[][]): Promise<void> {
  const [claim] = await store.claim(TOPIC, [0]);
  const { epoch, offset } = claim!;
  let fromOffset = offset;
  for (const events of batches) {
    const nextOffset = (fromOffset ?? 0) + events.length;
    await store.process([newBatch(events, { epoch, fromOffset, nextOffset } satisfies Partial<StoreBatch>)]);
    fromOffset = nextOffset;
  }
}

function read(store: EventStore, selection: Partial<ReadQuery> = {}): Promise<StoredEvent[]> {
  const upTo = Number.MAX_SAFE_INTEGER;
  return store.read({ order: 'asc', after: 0, upTo, limit: 100, ...selection });
}

const texts = (events: readonly { json: string }[]) => events.map(({ json }) => json);

/** What reading and counting of an `EventStore` must do. */
export function eventReadingContract(open: () => Promise<StoreHarness>): void {
  it('has nothing to read and counts nothing at first', async () => {
    const { store } = await open();
    expect(await read(store)).toEqual([]);
    expect((await store.watermarks()).latest).toBe(0);
    expect(await store.counts.totals()).toEqual([]);
    expect(await store.counts.sequenceRange({ from: -1e9, to: 1e9 })).toBeUndefined();
    expect(await store.counts.topValues('userId', DAY, 5)).toEqual([]);
  });

  it('reads between two sequences, forwards and backwards', async () => {
    const { store } = await open();
    const events = Array.from({ length: 7 }, (_, at) => event(`u${at % 2}`, 'LOGIN'));
    await storeAll(store, [events.slice(0, 3), events.slice(3)]);
    const all = await read(store);
    expect(texts(all)).toEqual(texts(events));
    const { latest, stable } = await store.watermarks();
    expect([latest, stable]).toEqual([all.at(-1)!.sequence, all.at(-1)!.sequence]);
    const [, second, , , , sixth] = all;
    const between = { after: second!.sequence, upTo: sixth!.sequence };
    expect(texts(await read(store, between))).toEqual(texts(events.slice(2, 6)));
    expect(texts(await read(store, { ...between, order: 'desc' }))).toEqual(
      texts(events.slice(2, 6).reverse()),
    );
    expect(texts(await read(store, { ...between, order: 'desc', limit: 2 }))).toEqual(
      texts(events.slice(4, 6).reverse()),
    );
    expect(texts(await read(store, { ...between, limit: 3 }))).toEqual(texts(events.slice(2, 5)));
  });

  it('reads the events of a user, or of some types, in one order', async () => {
    const { store } = await open();
    const types = ['LOGIN', 'LOGOUT', 'PRODUCT_VIEW'];
    const events = Array.from({ length: 30 }, (_, at) => event(`u${at % 4}`, types[at % 3]!));
    await storeAll(store, [events]);
    const ofUser = events.filter(({ userId }) => userId === 'u3');
    expect(texts(await read(store, { userId: 'u3' }))).toEqual(texts(ofUser));
    expect(texts(await read(store, { userId: 'u3', order: 'desc', limit: 2 }))).toEqual(
      texts(ofUser.reverse().slice(0, 2)),
    );
    expect(await read(store, { userId: 'nobody' })).toEqual([]);
    const eventTypes = ['LOGOUT', 'LOGIN', 'NEVER'];
    const ofTypes = events.filter(({ eventType }) => eventTypes.includes(eventType));
    expect(texts(await read(store, { eventTypes }))).toEqual(texts(ofTypes));
    expect(texts(await read(store, { eventTypes, order: 'desc', limit: 5 }))).toEqual(
      texts(ofTypes.reverse().slice(0, 5)),
    );
    expect(await read(store, { eventTypes: [] })).toEqual([]);
  });

  it('reads in the order of storing what happened between two times, late or not, and before 1970', async () => {
    const { store } = await open();
    const minutes = [0, 61, -1, 59, -61, 0, 5000, 60, 1, -59, 119, 10_079, 10_080];
    const events = minutes.map((minute) => event('u', 'LOGIN', { time: minute * 60_000 }));
    await storeAll(store, [events.slice(0, 5), events.slice(5)]);
    for (const [from, to] of [
      [0, 60],
      [-60, 0],
      [-61, 61],
      [59, 60],
      [0, 10_080],
      [70, 80],
    ] as const) {
      const times = { from: from * 60_000, to: to * 60_000 };
      const expected = texts(events.filter(({ time }) => time >= times.from && time < times.to));
      expect(texts(await read(store, { times }))).toEqual(expected);
      expect(texts(await read(store, { times, order: 'desc' })).reverse()).toEqual(expected);
      const [first] = await read(store, { times, limit: 1 });
      const rest = await read(store, { times, after: first?.sequence ?? 0 });
      expect(texts([...(first === undefined ? [] : [first]), ...rest])).toEqual(expected);
      expect(texts(await read(store, { times, upTo: first?.sequence ?? 0 }))).toEqual(expected.slice(0, 1));
    }
  });

  it('reads no more at once than fits memory well', async () => {
    const { store } = await open();
    const large = Array.from({ length: 5 }, (_, at) =>
      event('u', 'LOGIN', { json: `{"at":${at},"text":"${'x'.repeat(READ_BYTES / 2)}"}` }),
    );
    await storeAll(store, [large]);
    const first = await read(store);
    expect(first.length).toBeGreaterThan(0);
    expect(first.length).toBeLessThan(4);
    const rest = await read(store, { after: first.at(-1)!.sequence });
    expect(texts([...first, ...rest]).length).toBeLessThanOrEqual(5);
    expect(texts([...first, ...rest])).toEqual(texts(large.slice(0, first.length + rest.length)));
  });

  it('counts what is stored, and what comes again not again', async () => {
    const { store } = await open();
    const twice = event('u1', 'LOGIN', { counted: [['payload.device', 'phone']] });
    const counted = (value: string) => ({ counted: [['payload.device', value] as const] });
    await storeAll(store, [
      [
        twice,
        event('u1', 'LOGOUT', { hour: HOUR + 1 }),
        twice,
        event('u2', 'LOGIN', counted('tablet')),
        event('u3', 'LOGIN', { hour: HOUR - 24 }),
      ],
      [
        twice,
        event('u1', 'LOGIN', counted('phone')),
        event('Ω', 'VIEW', { hour: HOUR + 24, ...counted('😀') }),
      ],
    ]);
    expect(await store.counts.totals()).toEqual([
      { eventType: 'LOGIN', events: 4, firstHour: HOUR - 24, lastHour: HOUR },
      { eventType: 'LOGOUT', events: 1, firstHour: HOUR + 1, lastHour: HOUR + 1 },
      { eventType: 'VIEW', events: 1, firstHour: HOUR + 24, lastHour: HOUR + 24 },
    ]);
    expect(await store.counts.byHour({ from: HOUR - 24, to: HOUR + 1 })).toEqual([
      { hour: HOUR - 24, eventType: 'LOGIN', events: 1 },
      { hour: HOUR, eventType: 'LOGIN', events: 3 },
      { hour: HOUR + 1, eventType: 'LOGOUT', events: 1 },
    ]);
    expect(await store.counts.distinctByDay('userId', { from: DAY - 1, to: DAY + 1 })).toEqual([
      { day: DAY - 1, values: 1 },
      { day: DAY, values: 2 },
      { day: DAY + 1, values: 1 },
    ]);
    expect(await store.counts.distinctByDay('userId', { from: DAY, to: DAY })).toEqual([
      { day: DAY, values: 2 },
    ]);
    expect(await store.counts.distinctByDay('payload.device', { from: DAY, to: DAY })).toEqual([
      { day: DAY, values: 2 },
    ]);
    expect(await store.counts.distinctByDay('payload.color', { from: DAY, to: DAY })).toEqual([]);
    expect(await store.counts.topValues('userId', DAY, 5)).toEqual([
      { value: 'u1', events: 3 },
      { value: 'u2', events: 1 },
    ]);
    expect(await store.counts.topValues('payload.device', DAY, 1)).toEqual([{ value: 'phone', events: 2 }]);
    expect(await store.counts.topValues('payload.device', DAY + 1, 9)).toEqual([{ value: '😀', events: 1 }]);
    expect(await store.counts.topValues('payload.color', DAY, 9)).toEqual([]);
  });

  it('counts a value as often as it comes, also within one batch', async () => {
    const { store } = await open();
    const values = ['phone', 'tablet', 'phone', 'phone'];
    await storeAll(store, [
      values.map((value) => event('u', 'LOGIN', { counted: [['payload.device', value] as const] })),
    ]);
    expect(await store.counts.topValues('payload.device', DAY, 9)).toEqual([
      { value: 'phone', events: 3 },
      { value: 'tablet', events: 1 },
    ]);
  });

  it('tells between which sequences the events of some hours are', async () => {
    const { store } = await open();
    const hours = [5, 5, 6, 5, 7, 6].map((hour) => event('u', hour === 6 ? 'LOGIN' : 'LOGOUT', { hour }));
    await storeAll(store, [hours.slice(0, 3), hours.slice(3)]);
    const sequences = (await read(store)).map(({ sequence }) => sequence);
    const sequenceRange = (from: number, to: number) => store.counts.sequenceRange({ from, to });
    expect(await sequenceRange(5, 5)).toEqual({ first: sequences[0], last: sequences[3] });
    expect(await sequenceRange(6, 6)).toEqual({ first: sequences[2], last: sequences[5] });
    expect(await sequenceRange(7, 9)).toEqual({ first: sequences[4], last: sequences[4] });
    expect(await sequenceRange(0, 9)).toEqual({ first: sequences[0], last: sequences[5] });
    expect(await sequenceRange(8, 9)).toBeUndefined();
  });

  it('puts values with as many events in one order, whatever their number', async () => {
    const { store } = await open();
    const names = ['b', 'a', 'ä', 'Z', '\uFFFD', '😀', ...Array.from({ length: 20 }, (_, at) => `x${at}`)];
    const events = names.flatMap((name, at) =>
      Array.from({ length: at < 6 ? 3 : at }, () => event(name, 'T')),
    );
    await storeAll(store, [events.slice(0, 40), events.slice(40, 90), events.slice(90)]);
    const expected = names
      .map((value, at) => ({ value, events: at < 6 ? 3 : at }))
      .sort((a, b) => b.events - a.events || Buffer.compare(Buffer.from(a.value), Buffer.from(b.value)));
    expect(await store.counts.topValues('userId', DAY, 100)).toEqual(expected);
    expect(await store.counts.topValues('userId', DAY, 7)).toEqual(expected.slice(0, 7));
  });

  it('lets no reader pass over an event while many write, and counts every one', async () => {
    const { store, second } = await open();
    const stores = [store, await second()];
    const writers = 50;
    const partitions = Array.from({ length: writers }, (_, partition) => partition);
    await store.claim(TOPIC, partitions);
    const shared = event('shared', 'SHARED');
    let writing = true;
    const seen: number[] = [];
    const reader = (async () => {
      let after = 0;
      for (let last = false; !last; ) {
        last = !writing;
        // Some stores answer without waiting for anything, and writers wait for files.
        await new Promise(setImmediate);
        const { stable } = await stores[1]!.watermarks();
        const events = await read(stores[1]!, { after, upTo: stable, limit: 7 });
        seen.push(...events.map(({ sequence }) => sequence));
        if (events.length > 0) last = false;
        after = events.at(-1)?.sequence ?? after;
      }
    })();
    await Promise.all(
      partitions.map(async (partition) => {
        let fromOffset: number | null = null;
        for (let round = 0; round < 4; round++) {
          const events = [event(`u${partition}`, 'T'), event(`v${round}`, 'T'), shared];
          const nextOffset: number = (fromOffset ?? 0) + 3;
          await stores[partition % 2]!.process([newBatch(events, { partition, fromOffset, nextOffset })]);
          fromOffset = nextOffset;
        }
      }),
    );
    writing = false;
    await reader;
    const all: number[] = [];
    for (;;) {
      const page = await read(store, { after: all.at(-1) ?? 0, limit: 1000 });
      if (page.length === 0) break;
      all.push(...page.map(({ sequence }) => sequence));
    }
    expect(all).toHaveLength(writers * 4 * 2 + 1);
    expect(seen).toEqual(all);
    const totals = await store.counts.totals();
    expect(totals.map(({ eventType, events }) => [eventType, events])).toEqual([
      ['SHARED', 1],
      ['T', writers * 8],
    ]);
    expect(await store.counts.distinctByDay('userId', { from: DAY, to: DAY })).toEqual([
      { day: DAY, values: writers + 4 + 1 },
    ]);
    expect(await store.counts.topValues('userId', DAY, 4)).toEqual(
      ['v0', 'v1', 'v2', 'v3'].map((value) => ({ value, events: writers })),
    );
  });
}
