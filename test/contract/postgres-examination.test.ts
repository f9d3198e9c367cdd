import { describe, expect, it } from 'vitest';
import { type ServerState, serverWarnings } from '../../src/store/postgres/examination.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { byHand, freshDatabase, openStore } from '../support/postgres.ts';

describe("a store's examination", () => {
  it('says what is there, also before there are tables, and makes none', async () => {
    const url = await freshDatabase();
    const empty = await openStore(url).examine(PATIENCE_MS);
    expect(empty).toMatchObject({ warnings: [], facts: { fsync: 'on', migrations: [], tables: [] } });
    await openStore(url).ping(PATIENCE_MS);
    const { facts } = await openStore(url).examine(PATIENCE_MS);
    expect(facts.migrations).toContain('0001_events');
    expect(facts.tables).toContainEqual({
      name: 'events',
      bytes: expect.any(Number),
      rows: expect.any(Number),
    });
  });

  it('says that a crash would lose transactions', async () => {
    const url = await freshDatabase();
    await byHand(url, `alter database ${new URL(url).pathname.slice(1)} set synchronous_commit = off`);
    const { warnings } = await openStore(url).examine(PATIENCE_MS);
    expect(warnings).toEqual([expect.stringMatching(/^synchronous_commit is off/)]);
  });
});

describe('what may do harm in a server', () => {
  const FINE: Omit<ServerState, 'hasBookkeeping'> = {
    version: '18.0',
    fsync: 'on',
    synchronousCommit: 'on',
    statementTimeout: '25s',
    maxConnections: 100,
    connections: 90,
    time: 1000,
    databaseBytes: 1,
    idlePid: 7,
    idleSeconds: 60,
    tables: [],
  };
  const OWN = { askedAt: 999_000, answeredAt: 1_001_000 };
  const warn = (state: Partial<ServerState>) => serverWarnings({ ...FINE, ...state }, OWN);

  it('is nothing where all is as it should be', () => {
    expect(warn({})).toEqual([]);
    expect(warn({ idlePid: null, idleSeconds: null })).toEqual([]);
  });

  it.each<[what: Partial<ServerState>, said: string]>([
    [{ fsync: 'off' }, 'fsync is off'],
    [{ connections: 91 }, '91 of max_connections = 100 are in use'],
    [{ idleSeconds: 61 }, 'process 7 has an idle transaction open for 61 s'],
    [{ time: 1010 }, "the clock of PostgreSQL is 9 s ahead of this machine's"],
    [{ time: 990 }, "the clock of PostgreSQL is 9 s behind this machine's"],
  ])('is said: %o', (state, said) => {
    expect(warn(state)).toEqual([expect.stringContaining(said)]);
  });
});
