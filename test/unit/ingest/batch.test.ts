import { describe, expect, it } from 'vitest';
import { ApiError, type ErrorCode } from '../../../src/errors.ts';
import { Catalog } from '../../../src/events/catalog.ts';
import type { NewEvent } from '../../../src/events/event.ts';
import { Batch, type BatchOptions, readBatchEvent } from '../../../src/ingest/batch.ts';
import { parseJsonBody } from '../../../src/json/json-body.ts';

const RECEIPT = { topic: 't', partition: 0, offset: 0 };
const INVALID = Buffer.from('{}');
const MANY = 100_000;

function element(userId: string, more: object = {}): Buffer {
  return Buffer.from(JSON.stringify({ userId, eventType: 'LOGIN', ...more }));
}

/** A batch, and what it asked of those who take its events. */
function setUp(options: Partial<BatchOptions> = {}) {
  const accepted: { users: string[]; bytes: number }[] = [];
  const refused: number[] = [];
  const held: number[] = [];
  const batch = new Batch({
    read: readBatchEvent(new Catalog({ allowsUnknownTypes: true }), 'caller'),
    limits: { events: MANY, bytes: 1e9 },
    accept: async (events, bytes) => {
      accepted.push({ users: events.map(({ userId }) => userId), bytes });
      return events.map(({ userId }) => ({ eventId: userId, key: userId, json: 'long', receipt: RECEIPT }));
    },
    checkRateLimit: async () => {},
    onRejected: () => {},
    mayRefuse: async (elements) => void refused.push(elements),
    hold: (bytes) => void held.push(bytes),
    ...options,
  });
  return { batch, accepted, refused, held };
}

function codes({ results }: Batch): (ErrorCode | string)[] {
  return results.map((result) => (result instanceof ApiError ? result.code : result.eventId));
}

/** Adds until the batch is full. @returns how many there are then */
function fill(batch: Batch, one: Buffer): number {
  for (let added = 1; added <= 1000; added++) {
    batch.add(one);
    if (batch.isFull) return added;
  }
  throw new Error('it is never full');
}

describe('a batch', () => {
  it('remembers of each element, in its place, what became of it, without the text of events', async () => {
    const { batch, accepted } = setUp();
    const [one, other] = [element('a'), element('b')];
    for (const part of [one, INVALID, 'too-large' as const, other]) expect(batch.add(part)).toBe(true);
    await batch.flush();
    expect(codes(batch)).toEqual(['a', 'invalid_event', 'body_too_large', 'b']);
    expect(batch.results[0]).toEqual({ eventId: 'a', key: 'a', receipt: RECEIPT });
    expect((batch.results[2] as ApiError).message).toBe('The event is too large');
    expect(accepted).toEqual([{ users: ['a', 'b'], bytes: one.length + other.length }]);
    batch.add(element('c'));
    await batch.flush();
    await batch.flush();
    expect(codes(batch).at(-1)).toBe('c');
    expect(accepted.slice(1)).toEqual([{ users: ['c'], bytes: one.length }]);
  });

  it('knows nothing of an event until it is appended', () => {
    const { batch } = setUp();
    batch.add(element('a'));
    expect(codes(batch)).toEqual(['internal_error']);
  });

  it('passes on what became of single events, and the refusal of all of them', async () => {
    const outage = new ApiError('publish_failed');
    const one = setUp({ accept: async (events) => events.map(() => outage) });
    one.batch.add(element('a'));
    await one.batch.flush();
    expect(one.batch.results).toEqual([outage]);
    const limited = new ApiError('rate_limited');
    const all = setUp({ checkRateLimit: () => Promise.reject(limited) });
    all.batch.add(element('a'));
    all.batch.add(INVALID);
    await all.batch.flush();
    expect(all.batch.results[0]).toBe(limited);
    expect(all.accepted).toEqual([]);
    const broken = setUp({ checkRateLimit: () => Promise.reject(new TypeError('a fault')) });
    broken.batch.add(element('a'));
    await expect(broken.batch.flush()).rejects.toThrow('a fault');
  });

  it('is to be flushed at 500 events, at half a megabyte of them, or when 100 are refused', async () => {
    expect(fill(setUp().batch, element('a'))).toBe(500);
    const text = 'x'.repeat(51_200 - element('a', { payload: { text: '' } }).length);
    const large = element('a', { payload: { text } });
    expect(fill(setUp().batch, large)).toBe(10);
    const { batch, refused } = setUp();
    expect(fill(batch, INVALID)).toBe(100);
    await batch.flush();
    expect(batch.isFull).toBe(false);
    expect(fill(batch, INVALID)).toBe(100);
    await batch.flush();
    await batch.flush();
    expect(refused).toEqual([100, 100]);
    expect(fill(batch, element('a'))).toBe(500);
    await batch.flush();
    expect(fill(batch, element('a'))).toBe(500);
  });

  it('waits until as many may be refused before it goes on', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { batch, accepted } = setUp({ mayRefuse: () => promise });
    batch.add(INVALID);
    batch.add(element('a'));
    const flushed = batch.flush();
    await new Promise(setImmediate);
    expect(accepted).toEqual([]);
    resolve();
    await flushed;
    expect(accepted).toHaveLength(1);
  });

  it('is not read beyond its limits', () => {
    const one = element('a');
    const few = setUp({ limits: { events: 2, bytes: 1e9 } });
    expect([one, one, one].map((part) => few.batch.add(part))).toEqual([true, true, false]);
    expect(codes(few.batch)).toEqual(['internal_error', 'internal_error', 'batch_too_large']);
    const small = setUp({ limits: { events: MANY, bytes: 2 * one.length } });
    expect([one, one, one].map((part) => small.batch.add(part))).toEqual([true, true, false]);
    expect(codes(small.batch).at(-1)).toBe('batch_too_large');
  });

  it('is given up when more than nine in ten are refused, from a thousand on', () => {
    const { batch } = setUp();
    for (let taken = 0; taken < 200; taken++) batch.add(element('a'));
    for (let refused = 0; refused < 1801; refused++) expect(batch.add(INVALID)).toBe(true);
    expect(batch.add(INVALID)).toBe(false);
    expect(codes(batch).at(-1)).toBe('batch_abandoned');
    const hopeless = setUp().batch;
    for (let refused = 0; refused < 1000; refused++) expect(hopeless.add(INVALID)).toBe(true);
    expect(hopeless.add(INVALID)).toBe(false);
  });

  it('says in detail of a thousand why they are refused, and of the others only that they are', () => {
    const { batch } = setUp();
    for (let taken = 0; taken < 200; taken++) batch.add(element('a'));
    for (let refused = 0; refused < 1002; refused++) batch.add(INVALID);
    const refusals = batch.results.slice(200) as ApiError[];
    expect(refusals.map(({ details }) => details !== undefined).lastIndexOf(true)).toBe(999);
    expect(refusals[1001]!.code).toBe('invalid_event');
    expect(refusals[1001]).toBe(refusals[1000]);
  });

  it('counts what its results hold, some hundred at a time, with their texts', () => {
    const { batch, held } = setUp();
    // 300 bytes each: the next one is asked for when there are a hundred thousand of them.
    for (let added = 0; added < 334; added++) batch.add(element('a'));
    expect(held).toEqual([]);
    batch.add(element('a'));
    expect(held).toEqual([100_200]);
    const [warning] = readBatchEvent(
      new Catalog({ allowsUnknownTypes: true }),
      undefined,
    )(parseJsonBody(element('a', { more: 1 }))).warnings!;
    const warned = setUp();
    for (let added = 0; added < 1000 && warned.held.length === 0; added++) {
      warned.batch.add(element('a', { more: 1 }));
    }
    expect(warned.held).toEqual([Math.ceil(100_000 / (300 + warning!.length)) * (300 + warning!.length)]);
    const refused = setUp();
    for (let added = 0; added < 1000 && refused.held.length === 0; added++) refused.batch.add(INVALID);
    const details = (refused.batch.results[0] as ApiError).details!.join('').length;
    expect(refused.held).toEqual([Math.ceil(100_000 / (300 + details)) * (300 + details)]);
  });

  it('counts nothing for refusals of which it says no more than that they are', () => {
    const { batch, held } = setUp();
    for (let taken = 0; taken < 200; taken++) batch.add(element('a'));
    for (let refused = 0; refused < 1000; refused++) batch.add(INVALID);
    batch.add(element('a'));
    const before = held.length;
    for (let refused = 0; refused < 800; refused++) batch.add(INVALID);
    expect(held.length - before).toBeLessThanOrEqual(1);
  });

  it('ends where there is no room for its results, and says so', () => {
    const full = new ApiError('overloaded');
    const { batch } = setUp({
      hold: () => {
        throw full;
      },
    });
    for (let added = 0; added < 334; added++) batch.add(element('a'));
    expect(batch.add(element('a'))).toBe(false);
    expect(batch.results.at(-1)).toBe(full);
    const broken = setUp({
      hold: () => {
        throw new TypeError('a fault');
      },
    });
    for (let added = 0; added < 334; added++) broken.batch.add(element('a'));
    expect(() => broken.batch.add(element('a'))).toThrow('a fault');
  });

  it('does not suffer from an element that recurses too far, and does from a fault of the program', () => {
    const failing = (error: Error) => {
      const read = () => {
        throw error;
      };
      return setUp({ read }).batch;
    };
    const deep = failing(new RangeError('Maximum call stack size exceeded'));
    expect(deep.add(INVALID)).toBe(true);
    expect((deep.results[0] as ApiError).details).toEqual(['the event is nested too deeply']);
    expect(() => failing(new TypeError('a fault')).add(INVALID)).toThrow('a fault');
  });
});

describe('an event in a batch', () => {
  it('has its own time, and belongs to the caller whose choice its id is', () => {
    const read = (more: object): NewEvent =>
      readBatchEvent(new Catalog(), 'shop')(parseJsonBody(element('a', more)));
    expect(read({ timestamp: '2024-02-14T10:30:00Z' })).toMatchObject({
      timestamp: '2024-02-14T10:30:00.000Z',
      caller: undefined,
    });
    expect(read({ eventId: 'f47ac10b-58cc-4372-a567-0e02b2c3d479' }).caller).toBe('shop');
  });
});
