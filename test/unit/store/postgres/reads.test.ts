import { describe, expect, it } from 'vitest';
import { StoreUnavailableError } from '../../../../src/store/event-store.ts';
import type { Database } from '../../../../src/store/postgres/client.ts';
import { get, watermarks } from '../../../../src/store/postgres/reads.ts';

describe('up to where events can be read', () => {
  /** A database that has given out the sequence 2^32 + 7. */
  const writing = (locks: string[] | null, { latest = '5' as string | null, isReplica = false } = {}) => {
    const given = { sequence: String(2 ** 32 + 7), isReplica };
    const sequence = async () => [[given], [{ locks }], [{ sequence: latest }]];
    return watermarks({ sequence } as unknown as Database);
  };

  it.each([
    [null, 2 ** 32 + 7],
    [[], 2 ** 32 + 7],
    [['6', '4', '5'], 2 ** 32 + 4],
    // One began before the lower 32 bits wrapped around, one has the last sequence and has not stored anything yet.
    [['4294967290'], 2 ** 32 - 6],
    [['7'], 2 ** 32 + 7],
  ])('is where those that are at work began: %j', async (locks, stable) => {
    expect(await writing(locks)).toEqual({ latest: 5, stable });
  });

  it('is the beginning where nothing is stored', async () => {
    expect(await writing(null, { latest: null })).toMatchObject({ latest: 0 });
  });

  it('is not to be known on a replica', async () => {
    await expect(writing(null, { isReplica: true })).rejects.toThrow(StoreUnavailableError);
  });
});

it('an event of a version that did not keep where and when has no offset and no time, rather than the first', async () => {
  const known = { json: '{}', duplicates: 0, conflicts: 0 };
  const rows = [
    { ...known, key: 'old', partition: null, offset: null, storedAt: null },
    { ...known, key: 'first', partition: 0, offset: '0', storedAt: 0 },
  ];
  const found = await get({ query: async () => rows } as unknown as Database, ['old', 'first']);
  expect(found.get('old')).toEqual({ ...known, partition: null, offset: null, storedAt: null });
  expect(found.get('first')).toEqual({ ...known, partition: 0, offset: 0, storedAt: new Date(0) });
});
