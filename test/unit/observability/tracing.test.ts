import { expect, it } from 'vitest';
import { isSampled, readTraceparent, type Tracing, traced } from '../../../src/observability/tracing.ts';

const [TRACE, SPAN] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];

it('reads a step, and nothing that is none', () => {
  expect(readTraceparent(`00-${TRACE}-${SPAN}-01`)).toEqual({ traceId: TRACE, spanId: SPAN, traceFlags: 1 });
  for (const text of [
    '',
    `01-${TRACE}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}`,
    `00-${TRACE}-${SPAN}-01-more`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
  ])
    expect(readTraceparent(text), text).toBeUndefined();
});

it('knows which steps a collector is told of', () => {
  const flags = ['00', '01', '02', '03', 'ff'];
  expect(flags.filter((one) => isSampled(`00-${TRACE}-${SPAN}-${one}`))).toEqual(['01', '03', 'ff']);
  expect(isSampled('junk')).toBe(false);
});

it('does work without a step where tracing is off, or nobody is told, and ends each step with how it went', async () => {
  const ended: unknown[] = [];
  const traceparent = `00-${TRACE}-${SPAN}-01`;
  const tracing: Tracing = {
    start: (name) =>
      name === 'untold' ? undefined : { traceparent, end: (result) => void ended.push(result) },
    stop: async () => {},
  };
  const options = () => ({ kind: 'client', attributes: {} }) as const;
  const work = async (span?: { traceparent: string }) => span?.traceparent;
  expect(await traced(undefined, 'any', options, work)).toBeUndefined();
  expect(await traced(tracing, 'untold', options, work)).toBeUndefined();
  expect(await traced(tracing, 'any', () => undefined, work)).toBeUndefined();
  expect(await traced(tracing, 'any', options, work)).toBe(traceparent);
  const error = new Error('broken');
  await expect(traced(tracing, 'any', options, () => Promise.reject(error))).rejects.toBe(error);
  expect(ended).toEqual([undefined, { error }]);
});
