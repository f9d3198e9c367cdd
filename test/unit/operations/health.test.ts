import { expect, it, vi } from 'vitest';
import { type ConsumerStatus, Health } from '../../../src/operations/health.ts';
import { MemoryStore } from '../../../src/store/memory/memory-store.ts';
import { handClock } from '../../support/hand-clock.ts';

class CountingStore extends MemoryStore {
  pings = 0;
  override async ping(): Promise<void> {
    this.pings++;
    await super.ping();
  }
}

const STARTING: ConsumerStatus = { state: 'starting', reason: undefined, stalled: [], isThrottled: false };

it('shares calls to log and store for half a second, and always says how consuming and appending are now', async () => {
  const store = new CountingStore();
  const clock = handClock();
  let consumer = STARTING;
  let problem: string | undefined;
  let appending: string | undefined;
  const health = new Health({
    log: store,
    store,
    clock,
    consumer: () => consumer,
    progress: {
      get problem() {
        return problem;
      },
    },
    producer: {
      get problem() {
        return appending;
      },
      forgetFailures() {
        appending = undefined;
      },
    },
  });
  expect((await health.check()).consumer).toEqual({ ok: false, reason: 'the consumer is starting' });
  consumer = { ...STARTING, state: 'consuming' };
  clock.advance(400);
  expect((await health.check()).consumer).toEqual({ ok: true });
  expect(health.changedAt.get('consumer')).toEqual(new Date(400));
  problem = 'records wait';
  expect((await health.check()).consumer).toEqual({ ok: false, reason: 'records wait' });
  appending = 'the clock is wrong';
  expect((await health.check()).log).toEqual({ ok: false, reason: 'the clock is wrong' });
  appending = undefined;
  expect(store.pings).toBe(2);
  clock.advance(101);
  expect(await health.check()).toMatchObject({ log: { ok: true }, store: { ok: true } });
  expect(store.pings).toBe(4);
  expect(health.changedAt.get('store')).toEqual(new Date(0));
});

it('forgets what could not be appended while the log was down, which it says itself', async () => {
  const forgetFailures = vi.fn();
  const log = { ping: () => Promise.reject(new Error('away')) };
  const health = new Health({
    log,
    store: new MemoryStore(),
    clock: handClock(),
    consumer: () => undefined,
    progress: { problem: undefined },
    producer: { problem: undefined, forgetFailures },
  });
  expect((await health.check()).log).toEqual({ ok: false, reason: 'away' });
  expect(forgetFailures).toHaveBeenCalledOnce();
});
