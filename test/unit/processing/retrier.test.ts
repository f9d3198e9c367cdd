import { describe, expect, it } from 'vitest';
import { Retrier } from '../../../src/processing/retrier.ts';
import { FencedError } from '../../../src/store/event-store.ts';
import { handClock } from '../../support/hand-clock.ts';
import { listeningLogger } from '../../support/logger.ts';

const FENCED = new FencedError({ topic: 'events', partition: 0, epoch: 1 });

function setUp(random = 0.5) {
  const clock = handClock({ random });
  const { logger, lines } = listeningLogger();
  logger.level = 'debug';
  const stopping = new AbortController();
  const retrier = new Retrier({ logger, clock, stopping: stopping.signal });
  /** Fails so often, one after the other. */
  async function fail(what: string, times: number, error = new Error('away')) {
    for (let time = 0; time < times; time++) {
      const pause = retrier.backOff(what, error);
      clock.advance(clock.sleeps.at(-1) ?? 0);
      await pause;
    }
  }
  return { clock, lines, stopping, retrier, fail };
}

describe('work that fails', () => {
  it('is tried again with growing pauses, up to two seconds', async () => {
    const { clock, fail } = setUp();
    await fail('store', 12);
    expect(clock.sleeps).toEqual([75, 150, 300, 600, 1200, ...Array(7).fill(1500)]);
    await fail('log', 1);
    expect(clock.sleeps.at(-1)).toBe(75);
  });

  it.each([
    [0, 50],
    [1, 100],
  ])('is tried again at another time by each instance: by chance %d after %d ms', async (random, pause) => {
    const { clock, fail } = setUp(random);
    await fail('store', 1);
    expect(clock.sleeps).toEqual([pause]);
  });

  it('is said once when it begins and once when all works again, and shown meanwhile', async () => {
    const { lines, retrier, fail } = setUp();
    expect([retrier.hasFailures, retrier.reason]).toEqual([false, undefined]);
    await fail('the store', 3);
    await fail('the log', 1, new Error('gone'));
    expect([retrier.hasFailures, retrier.reason]).toEqual([true, 'the store: away']);
    retrier.recordSuccess('the store');
    expect([retrier.hasFailures, retrier.reason]).toEqual([true, 'the log: gone']);
    expect(lines.map(({ msg }) => msg)).not.toContain('[Consumer] working again');
    retrier.recordSuccess('the log');
    retrier.recordSuccess('the log');
    expect([retrier.hasFailures, retrier.reason]).toEqual([false, undefined]);
    const said = lines as { level?: number; msg: string; err?: { message: string } }[];
    expect(said.filter(({ level }) => level! > 20)).toMatchObject([
      {
        level: 50,
        msg: '[Consumer] the store; trying again until it works',
        err: { message: 'away' },
      },
      { level: 30, msg: '[Consumer] working again' },
    ]);
    expect(said).toHaveLength(5);
  });

  it('is no outage where another has the partition: that is waited for, and not said', async () => {
    const { clock, lines, retrier, fail } = setUp();
    await fail('partition 0', 3, FENCED);
    expect(retrier.hasFailures).toBe(false);
    expect(clock.sleeps).toEqual([37.5, 37.5, 37.5]);
    expect(lines.filter((line) => (line as { level?: number }).level! > 20)).toEqual([]);
  });

  it('is repeated until it succeeds, and is no outage then', async () => {
    const { clock, retrier } = setUp();
    let tries = 0;
    const done = retrier.retryForever('work', async () => {
      if (++tries < 3) throw new Error('away');
      return 'result';
    });
    await expect.poll(() => clock.sleeps).toHaveLength(1);
    expect(retrier.hasFailures).toBe(true);
    clock.advance(75);
    await expect.poll(() => clock.sleeps).toHaveLength(2);
    clock.advance(150);
    expect(await done).toBe('result');
    expect([tries, retrier.hasFailures]).toEqual([3, false]);
  });

  it('is given up when the consumer is stopped, at once and without a word', async () => {
    const { lines, stopping, retrier, fail, clock } = setUp();
    const done = retrier.retryForever('work', () => Promise.reject(new Error('away')));
    await expect.poll(() => clock.sleeps).toHaveLength(1);
    stopping.abort();
    expect(await done).toBeUndefined();
    await fail('other', 1);
    expect(lines).toHaveLength(1);
    expect(clock.sleeps).toHaveLength(1);
    expect(await retrier.retryForever('work', async () => 'result')).toBeUndefined();
  });
});
