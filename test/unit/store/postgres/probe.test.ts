import type { ClientBase } from 'pg';
import { describe, expect, it } from 'vitest';
import { describeLock, tryStoring } from '../../../../src/store/postgres/probe.ts';
import { PATIENCE_MS, RUNS_OUT_MS } from '../../../support/patience.ts';

/** A database that finds these rows, and what it was asked. */
function clientOf(rows: object[] = []) {
  const asked: unknown[][] = [];
  const query = async (...given: unknown[]) => {
    asked.push(given);
    return { rows };
  };
  return { client: { query } as unknown as ClientBase, asked };
}

it('a try to store names the schema, waits for a limited time and does all that storing does', async () => {
  const { client, asked } = clientOf();
  await tryStoring(client, 'a "b"', { lockTimeoutMs: RUNS_OUT_MS, timeoutMs: PATIENCE_MS });
  const [[{ text, query_timeout }]] = asked as [[{ text: string; query_timeout: number }]];
  expect(query_timeout).toBe(PATIENCE_MS);
  const own = '"a ""b""".';
  expect(text.split(';')).toEqual([
    `set local lock_timeout = ${RUNS_OUT_MS}`,
    `insert into ${own}events (json) select '' where false`,
    `update ${own}events set duplicates = duplicates where false`,
    `insert into ${own}positions (epoch) select 0 where false`,
    `update ${own}positions set epoch = epoch where false`,
    `insert into ${own}dead_letters (detail) select '' where false`,
    `insert into ${own}pending_values (value) select '' where false`,
  ]);
});

describe('who keeps events from being stored', () => {
  const lock = { table: 'events', pid: 7, granted: true, since: '2024-02-14T10:30:00.000Z' };

  it('is looked for among those that lock tables in which storing writes, each once', async () => {
    const { client, asked } = clientOf();
    expect(await describeLock(client, 'one')).toBeUndefined();
    expect(asked).toMatchObject([
      [expect.any(String), ['one', ['events', 'positions', 'dead_letters', 'pending_values']]],
    ]);
  });

  it.each([
    [{}, 'table events is locked by process 7 since 2024-02-14T10:30:00.000Z'],
    [{ since: null }, 'table events is locked by process 7'],
    [{ pid: null }, 'table events is locked by a prepared transaction since 2024-02-14T10:30:00.000Z'],
    [
      { granted: false },
      'table events cannot be used: process 7 waits since 2024-02-14T10:30:00.000Z to lock it, and all others behind it',
    ],
    [
      { granted: false, since: null },
      'table events cannot be used: process 7 waits to lock it, and all others behind it',
    ],
  ])('is told: %o', async (found, sentence) => {
    const { client } = clientOf([{ ...lock, ...found }]);
    expect(await describeLock(client, 'one')).toBe(sentence);
  });
});
