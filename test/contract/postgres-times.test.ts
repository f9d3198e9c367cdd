import { expect, it } from 'vitest';
import { RUNS_OUT_MS } from '../support/patience.ts';
import { byHand, freshDatabase, holdConnection, openStore } from '../support/postgres.ts';
import { newBatch, newEvent, TOPIC } from '../support/store-batches.ts';

/** Time to find a lock, but not to wait for it. */
const LOCKED_MS = 20 * RUNS_OUT_MS;

const DEAD_LETTER = {
  key: null,
  offset: 0,
  digest: 'd',
  reason: 'not-json',
  detail: 'the value is not JSON',
  attempt: 1,
  deadLetterPartition: 0,
  deadLetterOffset: 0,
};

it('gives times as they are, whatever style and zone the database prefers', async () => {
  const url = await freshDatabase();
  const name = new URL(url).pathname.slice(1);
  const store = openStore(url);
  await byHand(
    url,
    `alter database ${name} set datestyle = 'SQL, DMY'; alter database ${name} set timezone = 'America/New_York'`,
  );
  await store.claim(TOPIC, [0]);
  const event = newEvent({ userId: 'u' });
  const at = new Date('2026-11-25T23:59:58.765Z');
  const deadLetter = { ...DEAD_LETTER, deadLetteredAt: at };
  await store.process([newBatch([event], { deadLetters: [deadLetter] })]);
  const [{ epoch }] = (await byHand<{ epoch: number }>(
    url,
    'select extract(epoch from stored_at)::float8 as epoch from events',
  )) as [{ epoch: number }];
  const { storedAt } = (await store.get([event.key])).get(event.key)!;
  expect(storedAt!.getTime() / 1000).toBeCloseTo(epoch, 2);
  await store.markRedriven(TOPIC.group, [1], at);
  expect(await store.deadLetters(TOPIC.group, { limit: 1 })).toMatchObject([
    { deadLetteredAt: at, redrivenAt: at },
  ]);
  const other = await holdConnection(url);
  await other.query('begin; lock table events');
  await expect
    .poll(() => store.ping(LOCKED_MS).catch((error: Error) => error.message))
    .toMatch(/^table events is locked by process \d+ since \d{4}-\d\d-\d\dT[\d:.]+Z$/);
});
