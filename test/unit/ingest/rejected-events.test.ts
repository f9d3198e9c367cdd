import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { ApiError } from '../../../src/errors.ts';
import { RejectedEvents } from '../../../src/ingest/rejected-events.ts';

const invalid = (...details: string[]) => new ApiError('invalid_event', { details });
setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

function bytesInUse(): number {
  gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const path = '/events/generate';
const at = new Date('2026-01-02T03:04:05Z');
const clock = { date: () => at };

describe('the rejected events of an instance', () => {
  it('are listed newest first, a page at a time, by code and by caller', () => {
    const rejected = new RejectedEvents({ maxBytes: 1e6, clock });
    for (let at = 1; at <= 3; at++)
      rejected.add(invalid(`no ${at}`), { path, caller: 'shop', body: `{"at":${at}}` });
    rejected.add(new ApiError('body_not_json'), { path, caller: undefined, body: '{' });
    expect(rejected.list({ limit: 2 })).toMatchObject([
      { id: 4, caller: null, code: 'body_not_json', errors: ['Request body is not valid JSON'], body: '{' },
      { id: 3, caller: 'shop', code: 'invalid_event', errors: ['no 3'], body: '{"at":3}', rejectedAt: at },
    ]);
    expect(rejected.list({ limit: 2, before: 3 }).map(({ id }) => id)).toEqual([2, 1]);
    expect(rejected.list({ limit: 9, code: 'body_not_json' }).map(({ id }) => id)).toEqual([4]);
    expect(rejected.list({ limit: 9, caller: 'shop' }).map(({ id }) => id)).toEqual([3, 2, 1]);
  });

  it.each([
    'overloaded',
    'publish_failed',
    'rate_limited',
    'unauthorized',
    'forbidden',
    'origin_not_allowed',
    'request_timeout',
  ] as const)('do not include %s, which is not about the event', (code) => {
    const rejected = new RejectedEvents({ maxBytes: 1e6, clock });
    rejected.add(new ApiError(code), { path, caller: 'shop', body: '{}' });
    expect(rejected.list({ limit: 9 })).toEqual([]);
  });

  it('have the beginning of a long body, cut between characters', () => {
    const rejected = new RejectedEvents({ maxBytes: 1e6, clock });
    rejected.add(invalid('x'), { path, caller: undefined, body: Buffer.from('é'.repeat(10_001)) });
    rejected.add(invalid('x'), { path, caller: undefined, body: '💡'.repeat(5_000) });
    rejected.add(invalid('x'), { path, caller: undefined });
    rejected.add(invalid('x'), { path, caller: undefined, body: Buffer.from('я'.repeat(6000)) });
    const [cyrillic, none, whole, cut] = rejected.list({ limit: 9 });
    expect([cyrillic!.body!.length, cyrillic!.isTruncated]).toEqual([6000, false]);
    expect([cut!.body, cut!.isTruncated]).toEqual(['é'.repeat(10_000), true]);
    expect([whole!.body, whole!.isTruncated]).toEqual(['💡'.repeat(5_000), false]);
    expect([none!.body, none!.isTruncated]).toEqual([null, false]);
  });

  it('stay within their bytes: whoever has most of them loses the oldest', () => {
    const rejected = new RejectedEvents({ maxBytes: 20_000, clock });
    rejected.add(invalid('once'), { path, caller: 'quiet', body: '{}' });
    for (let at = 0; at < 500; at++)
      rejected.add(invalid('x'), { path, caller: 'loud', body: 'x'.repeat(600) });
    const kept = rejected.list({ limit: 1000 });
    expect(kept.filter(({ caller }) => caller === 'quiet')).toHaveLength(1);
    const loud = kept.filter(({ caller }) => caller === 'loud');
    expect(loud[0]!.id).toBe(501);
    expect(loud.map(({ id }) => id)).toEqual(loud.map((_, at) => 501 - at));
    expect(loud.length).toBeGreaterThan(10);
    expect(loud.length * 1000).toBeLessThanOrEqual(20_000);
  });

  it('hold nothing of what was cut off', () => {
    const rejected = new RejectedEvents({ maxBytes: 1e6, clock });
    const before = bytesInUse();
    const text = (at: number) => Buffer.alloc(1_000_000, 97 + (at % 26)).toString();
    for (let at = 0; at < 100; at++) rejected.add(invalid('x'), { path, caller: undefined, body: text(at) });
    // 50 MB if each kept the text that it is the beginning of.
    const held = bytesInUse() - before;
    expect(rejected.list({ limit: 1000 }).length).toBeGreaterThan(40);
    expect(held).toBeLessThan(20_000_000);
  });

  it('are not kept where there is no room for any', () => {
    const rejected = new RejectedEvents({ maxBytes: 0, clock });
    rejected.add(invalid('x'), { path, caller: undefined, body: '{}' });
    expect(rejected.list({ limit: 9 })).toEqual([]);
  });
});
