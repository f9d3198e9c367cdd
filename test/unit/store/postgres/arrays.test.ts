import { expect, it } from 'vitest';
import { bigints, integers, texts, uuids } from '../../../../src/store/postgres/arrays.ts';

/** One dimension, no nulls; then the type of the elements, their number, and that they begin at 1. */
const header = (oid: string, length: string) => `0000000100000000${oid}${length}00000001`;

it('arrays are as array_recv of PostgreSQL reads them', () => {
  expect(integers([1, -2]).toString('hex')).toBe(
    `${header('00000017', '00000002')}0000000400000001${'00000004'}fffffffe`,
  );
  expect(bigints([2 ** 32 + 3, -1, Number.MIN_SAFE_INTEGER]).toString('hex')).toBe(
    `${header('00000014', '00000003')}000000080000000100000003${'00000008'}ffffffffffffffff${'00000008'}ffe0000000000001`,
  );
  expect(texts(['ä', '']).toString('hex')).toBe(`${header('00000019', '00000002')}00000002c3a4${'00000000'}`);
  expect(uuids(['01234567-89ab-cdef-0123-456789abcdef']).toString('hex')).toBe(
    `${header('00000b86', '00000001')}000000100123456789abcdef0123456789abcdef`,
  );
  expect(texts([]).toString('hex')).toBe(header('00000019', '00000000'));
});
