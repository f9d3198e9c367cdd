import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type EventToStore, TYPE_DIMENSION, USER_DIMENSION } from '../../src/store/event-store.ts';
import { newEvent } from '../support/store-batches.ts';
import { storing } from '../support/storing.ts';
import type { StoreHarness } from './event-store.contract.ts';

const DEVICE = 'payload.device';
/** What databases, patterns and orders of characters treat in different ways. */
const CHARACTERS = [
  'a',
  'A',
  'b',
  'ä',
  'Z',
  '-',
  ' ',
  '%',
  '_',
  '\\',
  "'",
  '"',
  '*',
  '\u0001',
  '\ue000',
  '\uffff',
  '😀',
  '🚀',
];
const text = fc.string({ unit: fc.constantFrom(...CHARACTERS), minLength: 1, maxLength: 4 });

const inOrder = (texts: Iterable<string>) =>
  [...new Set(texts)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

function event(userId: string, eventType: string, device: string, day: number): EventToStore {
  return newEvent({ userId, eventType, hour: day * 24, counted: [[DEVICE, device]] });
}

/** What the values that are known must be. */
export function knownValuesContract(open: () => Promise<StoreHarness>): void {
  it('gives out each value there has been once, in the order of bytes, from any text on', async () => {
    const made = fc.tuple(text, text, text, fc.integer({ min: -1, max: 1 }));
    const batches = fc.array(fc.array(made, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 4 });
    const from = fc.oneof(fc.constant(''), text);
    await fc.assert(
      fc.asyncProperty(
        batches,
        fc.array(from, { minLength: 4, maxLength: 4 }),
        fc.integer({ min: 1, max: 9 }),
        async (given, starts, limit) => {
          const { store } = await open();
          const storeMore = await storing(store);
          for (const [at, batch] of given.entries()) {
            await storeMore(batch.map((one) => event(...one)));
            // Each time what is new is counted, or all of it at the end.
            if (at % 2 === 0) await store.counts.totals();
          }
          const events = given.flat();
          const known = [USER_DIMENSION, TYPE_DIMENSION, DEVICE].map(
            (dimension, at) => [dimension, inOrder(events.map((one) => one[at] as string))] as const,
          );
          for (const [dimension, values] of known) {
            for (const start of ['', ...starts, ...values.slice(0, 3)]) {
              const expected = inOrder([...values, start]);
              const behind = expected
                .slice(expected.indexOf(start))
                .filter((value) => values.includes(value));
              expect(await store.counts.valuesFrom(dimension, start, limit)).toEqual(behind.slice(0, limit));
            }
          }
          expect(await store.counts.valuesFrom('payload.other', '', 9)).toEqual([]);
        },
      ),
      { numRuns: 10 },
    );
  });

  it('has no value of an event that was not stored', async () => {
    const { store } = await open();
    const storeMore = await storing(store);
    const first = event('first', 'T', 'phone', 0);
    await storeMore([first, { ...event('second', 'U', 'tablet', 0), key: first.key }]);
    const all = [USER_DIMENSION, TYPE_DIMENSION].map((dimension) =>
      store.counts.valuesFrom(dimension, '', 9),
    );
    expect(await Promise.all(all)).toEqual([['first'], ['T']]);
  });
}
