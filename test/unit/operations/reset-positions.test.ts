import { expect, it, vi } from 'vitest';
import { planReset, resetPositions } from '../../../src/operations/reset-positions.ts';
import { FencedError, type PartitionPosition } from '../../../src/store/event-store.ts';
import { SqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { appendTo } from '../../support/append.ts';
import { openLog } from '../../support/embedded-log.ts';
import { newBatch, newEvent } from '../../support/store-batches.ts';

const RECORDS = 5;
const ref = { group: 'group', topic: 'topic' };

/** A log of five records, all of which were stored, and what resets their position. */
async function processed() {
  const { file, log } = await openLog();
  const record = { topic: ref.topic, key: 'u', value: '{}', headers: [] };
  await appendTo(
    log,
    Array.from({ length: RECORDS }, () => record),
  );
  const { topicId } = await log.ends(ref.topic);
  const store = new SqliteStore(file);
  const [claim] = await store.claim({ ...ref, topicId }, [0]);
  const events = Array.from({ length: RECORDS }, (_, offset) => newEvent({ offset }));
  const landmarks = [4, 2, 1].map((offset) => ({ offset, digest: `record ${offset}`, leaderEpoch: 0 }));
  await store.process([newBatch(events, { ...ref, topicId, epoch: claim!.epoch, landmarks })]);
  const findMissing = vi.fn(async (): Promise<{ partition: number; offset: number }[]> => []);
  const reset = (to: 'earliest' | number, more: { partitions?: number[] } = {}) =>
    resetPositions({ log, store, ...ref, to, findMissing, ...more });
  const plan = (to: number) => planReset({ log, store, ...ref, to });
  const position = async () => (await store.positions(ref.group, ref.topic))[0] as PartitionPosition;
  /** What nothing should do, done by hand. */
  const damage = (sql: string) => file.db.exec(`update positions set ${sql}`);
  return { store, topicId, reset, plan, position, damage, findMissing };
}

it('sets a position back, books what is passed again, and forgets the records that are ahead', async () => {
  const { reset, position, store, topicId, findMissing } = await processed();
  expect(await reset(2)).toEqual([{ partition: 0, from: RECORDS, to: 2 }]);
  expect(await position()).toMatchObject({ offset: 2, rewound: 3, stored: RECORDS, epoch: 2 });
  const [claim] = await store.claim({ ...ref, topicId }, [0]);
  expect(claim!.landmarks.map(({ offset }) => offset)).toEqual([1]);
  expect(findMissing).not.toHaveBeenCalled();
});

it('sets it to the first record that the log holds and the ledger covers', async () => {
  const { reset, position, damage } = await processed();
  damage('start_offset = 1, stored = stored - 1');
  expect(await reset('earliest')).toEqual([{ partition: 0, from: RECORDS, to: 1 }]);
  expect(await position()).toMatchObject({ offset: 1, rewound: 4 });
});

it('claims nothing to say what it would do, and refuses then what it would refuse', async () => {
  const { plan, position } = await processed();
  expect(await plan(2)).toEqual([{ partition: 0, from: RECORDS, to: 2 }]);
  await expect(plan(6)).rejects.toThrow('moving it forward to 6');
  expect(await position()).toMatchObject({ offset: RECORDS, rewound: 0, epoch: 1 });
});

it('claims nothing if a position is there already', async () => {
  const { reset, position } = await processed();
  expect(await reset(RECORDS)).toEqual([{ partition: 0, from: RECORDS, to: RECORDS }]);
  expect(await position()).toMatchObject({ offset: RECORDS, rewound: 0, epoch: 1 });
});

it.each([
  ['past what was processed', 6, {}, /its position is 5; moving it forward to 6 would pass over records/],
  ['before what the ledger covers', 0, {}, /the log begins at 1, so processing cannot at 0/],
  ['of a partition that is not there', 2, { partitions: [0, 1] }, /topic has no partition 1/],
])('moves nothing %s', async (_what, to, more, says) => {
  const { reset, position, damage } = await processed();
  damage('start_offset = 1, stored = stored - 1');
  await expect(reset(to, more)).rejects.toThrow(says);
  expect(await position()).toMatchObject({ offset: RECORDS, epoch: 1 });
});

it.each(['earliest', 0] as const)('leaves a partition that nobody has processed at %s', async (to) => {
  const { reset, position, damage } = await processed();
  damage('next_offset = null, start_offset = null, stored = 0');
  expect(await reset(to)).toEqual([{ partition: 0, from: null, to: 0 }]);
  expect(await position()).toMatchObject({ offset: null, epoch: 1 });
  await expect(reset(1)).rejects.toThrow('its position is 0; moving it forward to 1');
});

it.each([2, 4, null])('moves no position forward, if the store went back to %s meanwhile', async (before) => {
  const { store, reset, position, damage } = await processed();
  const claim = store.claim.bind(store);
  vi.spyOn(store, 'claim').mockImplementation((...given) => {
    damage(`next_offset = ${before}`);
    return claim(...given);
  });
  const process = vi.spyOn(store, 'process');
  await reset(4);
  expect((await position()).offset).toBe(before);
  expect(process).not.toHaveBeenCalled();
});

it('claims again when a consumer has claimed meanwhile, five times at most', async () => {
  const { store, topicId, reset, position, findMissing, damage } = await processed();
  damage('stored = stored - 1');
  const process = store.process.bind(store);
  let rivals = 4;
  vi.spyOn(store, 'process').mockImplementation(async (batches) => {
    if (rivals-- > 0) await store.claim({ ...ref, topicId }, [0]);
    return process(batches);
  });
  await reset(0);
  expect((await position()).offset).toBe(0);
  // Reads the whole topic.
  expect(findMissing).toHaveBeenCalledTimes(1);
  damage(`next_offset = ${RECORDS}`);
  rivals = 5;
  await expect(reset(0)).rejects.toThrow(FencedError);
});

it('leaves the positions of an earlier topic of that name alone', async () => {
  const { store, reset, findMissing } = await processed();
  // Comes first, and lacks an account of two offsets.
  const [claim] = await store.claim({ ...ref, topicId: '0' }, [0]);
  await store.process([newBatch([], { ...ref, topicId: '0', epoch: claim!.epoch, nextOffset: 2 })]);
  expect(await reset(2)).toEqual([{ partition: 0, from: RECORDS, to: 2 }]);
  expect(findMissing).not.toHaveBeenCalled();
  expect(await store.positions(ref.group, ref.topic)).toMatchObject([
    { offset: 2 },
    { offset: 2, rewound: 3 },
  ]);
});

it('gives up at once when the store fails', async () => {
  const { store, reset } = await processed();
  const process = vi.spyOn(store, 'process').mockRejectedValue(new Error('disk full'));
  await expect(reset(0)).rejects.toThrow('disk full');
  expect(process).toHaveBeenCalledTimes(1);
});

it.each([
  ['one that is ahead is passed for the first time', 0, [{ partition: 0, offset: 3 }], 4],
  ['one that is behind stays behind', 2, [{ partition: 0, offset: 1 }], 3],
  ['those ahead alone are', 2, [1, 3].map((offset) => ({ partition: 0, offset })), 2],
  ['one exactly there is passed for the first time', 3, [{ partition: 0, offset: 3 }], 1],
  ['those of other partitions are not counted', 0, [{ partition: 1, offset: 3 }], 5],
])('of records that were passed over, %s', async (_what, to, missing, rewound) => {
  const { reset, position, damage, findMissing } = await processed();
  damage(`stored = stored - ${missing.length}`);
  findMissing.mockResolvedValue(missing);
  await reset(to);
  expect(await position()).toMatchObject({ offset: to, rewound });
});

it('counts offsets without records only if all that is missing is ahead', async () => {
  const { reset, position, damage, findMissing } = await processed();
  // Two offsets are accounted for by nothing: one holds a record, one none.
  damage('stored = stored - 2');
  findMissing.mockResolvedValue([{ partition: 0, offset: 3 }]);
  await reset(0);
  expect(await position()).toMatchObject({ offset: 0, rewound: 3 });
});
