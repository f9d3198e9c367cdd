import { describe, expect, it, vi } from 'vitest';
import {
  AppendBatcher,
  type AppendBatcherOptions,
  type SizedRecord,
} from '../../../src/log/append-batcher.ts';
import { type AppendResult, type Receipt, unwrapReceipts } from '../../../src/log/event-log.ts';
import { PATIENCE_MS, RUNS_OUT_MS } from '../../support/patience.ts';
import { stopClock } from '../../support/stopped-clock.ts';

const LIMITS = { maxGroupBytes: 100, timeoutMs: PATIENCE_MS };

function record(value: string, bytes = 1): SizedRecord {
  return { topic: 't', key: null, value, headers: [], partition: 0, bytes };
}

function offsetOf(result: AppendResult): number {
  return unwrapReceipts([result])[0]!.offset;
}

/** A batcher whose writes are answered by hand. */
function batcherByHand(limits: Partial<typeof LIMITS> = {}) {
  const sends: {
    values: unknown[];
    answer(results?: (Receipt | Error)[]): void;
    fail(error: Error): void;
  }[] = [];
  let offset = 0;
  const write: AppendBatcherOptions['write'] = (records) => {
    const { promise, resolve, reject } = Promise.withResolvers<(Receipt | Error)[]>();
    const receipts = records.map(() => ({ topic: 't', partition: 0, offset: offset++ }));
    sends.push({
      values: records.map(({ value }) => value),
      answer: (results = receipts) => resolve(results),
      fail: reject,
    });
    return promise;
  };
  const batcher = new AppendBatcher({ write, ...LIMITS, ...limits });
  const nextSend = async () => {
    while (sends.length === 0) await new Promise(setImmediate);
    return sends.shift()!;
  };
  return { batcher, nextSend, sends };
}

describe('AppendBatcher', () => {
  it('sends what arrives in one turn together, and what arrives meanwhile as the next group', async () => {
    const { batcher, nextSend, sends } = batcherByHand();
    const first = [batcher.add([record('a')]), batcher.add([record('b')])];
    const send = await nextSend();
    expect(send.values).toEqual(['a', 'b']);
    const later = [batcher.add([record('c')]), batcher.add([record('d')])];
    await new Promise(setImmediate);
    expect(sends).toEqual([]);
    send.answer();
    expect((await Promise.all(first)).flat().map(offsetOf)).toEqual([0, 1]);
    const next = await nextSend();
    expect(next.values).toEqual(['c', 'd']);
    next.answer();
    expect((await Promise.all(later)).flat().map(offsetOf)).toEqual([2, 3]);
    await batcher.idle();
  });

  it('keeps a group below the most bytes one write may hold', async () => {
    const { batcher, nextSend } = batcherByHand();
    const all = ['a', 'b', 'c'].map((value) => batcher.add([record(value, 60)]));
    for (const value of ['a', 'b', 'c']) {
      const send = await nextSend();
      expect(send.values).toEqual([value]);
      send.answer();
    }
    await Promise.all(all);
  });

  it('divides a call that is larger than one write, and keeps its order', async () => {
    const { batcher, nextSend } = batcherByHand();
    const call = batcher.add([record('a', 60), record('b', 30), record('c', 60), record('huge', 500)]);
    for (const values of [['a', 'b'], ['c'], ['huge']]) {
      const send = await nextSend();
      expect(send.values).toEqual(values);
      send.answer();
    }
    expect((await call).map(offsetOf)).toEqual([0, 1, 2, 3]);
  });

  it('answers a call without records at once, and sends nothing for it', async () => {
    const { batcher, sends } = batcherByHand();
    expect(await batcher.add([])).toEqual([]);
    await batcher.idle();
    expect(sends).toEqual([]);
  });

  it('fails only the records that failed', async () => {
    const { batcher, nextSend } = batcherByHand();
    const calls = [batcher.add([record('a')]), batcher.add([record('b')])];
    const send = await nextSend();
    send.answer([{ topic: 't', partition: 0, offset: 0 }, new Error('partition 1 has no leader')]);
    await expect(calls[0]).resolves.toEqual([{ topic: 't', partition: 0, offset: 0 }]);
    await expect(calls[1]).resolves.toMatchObject([
      { failure: 'unconfirmed', cause: new Error('partition 1 has no leader') },
    ]);
  });

  it('fails every call of a group that could not be sent, and goes on', async () => {
    const { batcher, nextSend } = batcherByHand();
    const calls = [batcher.add([record('a')]), batcher.add([record('b')])];
    (await nextSend()).fail(new Error('away'));
    for (const call of calls) await expect(call).resolves.toMatchObject([{ failure: 'unconfirmed' }]);
    const next = batcher.add([record('c')]);
    (await nextSend()).answer();
    await next;
  });

  it('answers calls in time, sent or not, and never sends the ones that were given up', async () => {
    stopClock();
    const { batcher, nextSend, sends } = batcherByHand({ timeoutMs: RUNS_OUT_MS });
    const inFlight = batcher.add([record('a')]);
    const send = await nextSend();
    const waiting = batcher.add([record('b')]);
    vi.advanceTimersByTime(RUNS_OUT_MS);
    await expect(inFlight).resolves.toMatchObject([{ failure: 'unconfirmed' }]);
    await expect(waiting).resolves.toMatchObject([{ failure: 'unconfirmed' }]);
    send.answer();
    await batcher.idle();
    expect(sends).toEqual([]);
    const later = batcher.add([record('c')]);
    const next = await nextSend();
    expect(next.values).toEqual(['c']);
    next.answer();
    await later;
  });
});
