/**
 * Arrays in PostgreSQL's binary format (`array_recv` in `arrayfuncs.c`). The driver writes arrays only as text, with every
 * quote in every JSON text escaped, and the server parses that character by character.
 */
const HEADER_BYTES = 20;
const INT32_RANGE = 2 ** 32;

interface ElementType<T> {
  oid: number;
  /** Bytes of one element. */
  size(value: T): number;
  write(buffer: Buffer, value: T, at: number): void;
}

const UUID: ElementType<string> = {
  oid: 2950,
  size: () => 16,
  write: (buffer, value, at) => void buffer.write(value.replaceAll('-', ''), at, 'hex'),
};
const TEXT: ElementType<string> = {
  oid: 25,
  size: (value) => Buffer.byteLength(value),
  write: (buffer, value, at) => void buffer.write(value, at),
};
const INTEGER: ElementType<number> = {
  oid: 23,
  size: () => 4,
  write: (buffer, value, at) => void buffer.writeInt32BE(value, at),
};
const BIGINT: ElementType<number> = {
  oid: 20,
  size: () => 8,
  write(buffer, value, at) {
    const upper = Math.floor(value / INT32_RANGE);
    buffer.writeInt32BE(upper, at);
    buffer.writeUInt32BE(value - upper * INT32_RANGE, at + 4);
  },
};

const arrayOf =
  <T>(type: ElementType<T>) =>
  (values: readonly T[]): Buffer => {
    let bytes = HEADER_BYTES;
    for (const value of values) bytes += 4 + type.size(value);
    const buffer = Buffer.allocUnsafe(bytes);
    // The number of dimensions, whether there are nulls, the type; then the dimension's length and its lowest index.
    buffer.writeInt32BE(1, 0);
    buffer.writeInt32BE(0, 4);
    buffer.writeInt32BE(type.oid, 8);
    buffer.writeInt32BE(values.length, 12);
    buffer.writeInt32BE(1, 16);
    let at = HEADER_BYTES;
    for (const value of values) {
      const size = type.size(value);
      buffer.writeInt32BE(size, at);
      type.write(buffer, value, at + 4);
      at += 4 + size;
    }
    return buffer;
  };

export const uuids = arrayOf(UUID);
export const texts = arrayOf(TEXT);
export const integers = arrayOf(INTEGER);
/** An array of integers up to 2^53. */
export const bigints = arrayOf(BIGINT);
