const M = 0x5bd1e995;
const SEED = 0x9747b28c;

/** Kafka's murmur2 (`org.apache.kafka.common.utils.Utils.murmur2`): a signed 32-bit integer. */
export function murmur2(data: Uint8Array): number {
  const length = data.length;
  let hash = SEED ^ length;
  let at = 0;
  for (; length - at >= 4; at += 4) {
    let word = data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | (data[at + 3]! << 24);
    word = Math.imul(word, M);
    word ^= word >>> 24;
    hash = Math.imul(hash, M) ^ Math.imul(word, M);
  }
  const rest = length - at;
  if (rest === 3) hash ^= data[at + 2]! << 16;
  if (rest >= 2) hash ^= data[at + 1]! << 8;
  if (rest >= 1) hash = Math.imul(hash ^ data[at]!, M);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, M);
  return hash ^ (hash >>> 15);
}

/**
 * The partition that Kafka's Java producer assigns to a key, so that a user's events stay in one partition and in order
 * whichever producer sent them. Own code because the client computes the hash's absolute value differently by default
 * (platformatic/kafka#121) and puts half of all keys elsewhere.
 */
export function partitionOf(key: Uint8Array | null, partitions: number): number {
  if (key === null) return 0;
  return (murmur2(key) & 0x7fffffff) % partitions;
}
