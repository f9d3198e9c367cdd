import { murmur2 as clientMurmur2 } from '@platformatic/kafka';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { murmur2, partitionOf } from '../../../src/log/partitioner.ts';

describe('murmur2', () => {
  // org.apache.kafka.common.utils.UtilsTest#testMurmur2
  it.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])("hashes %s as Kafka's own test expects", (text, hash) => {
    expect(murmur2(Buffer.from(text))).toBe(hash);
  });

  it('agrees with the Kafka client on any key', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (key) => {
        expect(murmur2(key)).toBe(Number(BigInt.asIntN(32, BigInt(clientMurmur2(Buffer.from(key))))));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('partitionOf', () => {
  it('gives a record without key the first partition', () => {
    expect(partitionOf(null, 12)).toBe(0);
  });

  it('takes the hash without its sign, as Java producers do', () => {
    expect(partitionOf(Buffer.from('21'), 7)).toBe((-973932308 & 0x7fffffff) % 7);
  });
});
