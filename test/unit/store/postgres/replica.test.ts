import { describe, expect, it, onTestFinished } from 'vitest';
import { Meter } from '../../../../src/observability/meter.ts';
import { StoreUnavailableError } from '../../../../src/store/event-store.ts';
import type { Database } from '../../../../src/store/postgres/client.ts';
import { ReplicaReader } from '../../../../src/store/postgres/replica.ts';
import { handClock } from '../../../support/hand-clock.ts';
import { listeningLogger } from '../../../support/logger.ts';
import { type Asked, scriptedPool } from '../../../support/scripted-pool.ts';

const IDENTITY = { server: '7', timeline: 1, database: 'd', schema: 'public' };
const PRIMARY = { ...IDENTITY, logEnd: '100' };
const REPLICA = { ...IDENTITY, isReplica: true };
const FROM_PRIMARY = [{ from: 'primary' }];
const FROM_REPLICA = [{ from: 'replica' }];
const goesToPrimary = (why: string) =>
  `Reads go to the primary, since DATABASE_READ_URL cannot answer them: ${why}`;

/** A replica that is up to date, and its primary; tests change both as they go. */
function reading({ measures = true } = {}) {
  const meter = measures ? new Meter() : undefined;
  const world = {
    primary: PRIMARY as object,
    replica: REPLICA as object,
    hasReplayed: [] as (boolean | null)[],
    /** Of what is read on the replica. */
    readFails: undefined as Error | undefined,
    primaryFails: undefined as Error | undefined,
    replicaFails: undefined as Error | undefined,
    /** Before the replica answers or fails. */
    waiting: Promise.resolve(),
  };
  const { asked, pools } = scriptedPool(
    ({ text }: Asked) => {
      if (text.includes('pg_last_wal_replay_lsn')) {
        const hasReplayed = world.hasReplayed.length === 0 || world.hasReplayed.shift();
        return { rows: [{ hasReplayed }] };
      }
      if (text.includes('as "isReplica"')) return { rows: [world.replica] };
      if (text === 'read' && world.readFails !== undefined) throw world.readFails;
      return { rows: text === 'read' ? FROM_REPLICA : [] };
    },
    async () => {
      await world.waiting;
      if (world.replicaFails !== undefined) throw world.replicaFails;
    },
  );
  const askedOfPrimary: string[] = [];
  const primary = {
    async query(text: string, values: unknown[]) {
      expect(values).toEqual([]);
      askedOfPrimary.push(text === 'read' ? 'read' : 'state');
      if (world.primaryFails !== undefined) throw world.primaryFails;
      return text === 'read' ? FROM_PRIMARY : [world.primary];
    },
  } as unknown as Database;
  const { logger, lines } = listeningLogger();
  const clock = handClock();
  const url = 'postgres://u:p@host/d';
  const reader = new ReplicaReader({ url, poolSize: 1, primary, clock, logger, meter });
  onTestFinished(() => reader.close());
  const reads = async () =>
    [...(await meter!.registry.metrics()).matchAll(/_reads_total\{from="(\w+)"\} (\d+)/g)].map(
      ([, from, count]) => `${from} ${count}`,
    );
  const read = () => reader.query('read', []);
  const said = () => lines.map(({ msg }) => msg);
  return { world, reader, read, asked, askedOfPrimary, said, clock, reads, pools };
}

describe('a read', () => {
  it('is answered by the replica once that has what the primary had', async () => {
    const { read, asked, askedOfPrimary, said, reads, pools } = reading();
    expect(await read()).toEqual(FROM_REPLICA);
    expect(askedOfPrimary).toEqual(['state']);
    expect(asked).toMatchObject([
      { text: expect.stringMatching(/^begin/), query_timeout: 500 },
      { query_timeout: 500, values: [] },
      { query_timeout: 500, values: ['100'] },
      { text: 'read' },
      { text: 'commit' },
    ]);
    expect(said()).toEqual([]);
    expect(await reads()).toEqual(['replica 1', 'primary 0']);
    expect(pools[0]!.options).toMatchObject({ connectionTimeoutMillis: 1000 });
  });

  it('waits for the replica to catch up, a bit longer each time', async () => {
    const { world, read, clock } = reading();
    world.hasReplayed = [null, ...Array<boolean>(7).fill(false)];
    const answer = read();
    const pauses = [2, 4, 8, 16, 32, 50, 50, 50];
    for (const [at, ms] of pauses.entries()) {
      await expect.poll(() => clock.sleeps).toEqual(pauses.slice(0, at + 1));
      clock.advance(ms);
    }
    expect(await answer).toEqual(FROM_REPLICA);
  });

  it('goes to the primary where the replica stays behind, which is not worth a word', async () => {
    const { world, read, clock, said, reads } = reading();
    world.hasReplayed = Array(3).fill(false);
    const answer = read();
    await expect.poll(() => clock.sleeps).toHaveLength(1);
    clock.advance(500);
    await expect.poll(() => clock.sleeps).toHaveLength(2);
    clock.advance(4);
    expect(await answer).toEqual(FROM_PRIMARY);
    expect(said()).toEqual([]);
    expect(await reads()).toEqual(['replica 0', 'primary 1']);
  });

  it('goes to the primary for a while after the replica failed, longer each time, which is said once', async () => {
    const { world, read, askedOfPrimary, clock, said } = reading();
    world.replicaFails = new Error('connect ECONNREFUSED');
    expect(await read()).toEqual(FROM_PRIMARY);
    expect(askedOfPrimary).toEqual(['state', 'read']);
    // Half of 250 ms, since chance adds nothing here.
    clock.advance(124);
    await read();
    expect(askedOfPrimary).toEqual(['state', 'read', 'read']);
    clock.advance(1);
    await read();
    expect(askedOfPrimary.slice(3)).toEqual(['state', 'read']);
    clock.advance(249);
    await read();
    expect(askedOfPrimary.slice(5)).toEqual(['read']);
    clock.advance(1);
    world.replicaFails = undefined;
    expect(await read()).toEqual(FROM_REPLICA);
    expect(said()).toEqual([goesToPrimary('connect ECONNREFUSED'), 'Reads go to DATABASE_READ_URL again']);
    // As the first time, and said again.
    world.replicaFails = new Error('connect ECONNREFUSED');
    await read();
    clock.advance(125);
    world.replicaFails = undefined;
    expect(await read()).toEqual(FROM_REPLICA);
    expect(said()).toHaveLength(4);
  });

  it('that fails together with others counts once', async () => {
    const { world, read, clock, pools } = reading();
    world.replicaFails = new Error('connect ECONNREFUSED');
    const { promise, resolve } = Promise.withResolvers<void>();
    world.waiting = promise;
    const reads = [read(), read(), read()];
    await expect.poll(() => pools).toHaveLength(1);
    clock.advance(1);
    resolve();
    await Promise.all(reads);
    world.replicaFails = undefined;
    clock.advance(125);
    expect(await read()).toEqual(FROM_REPLICA);
  });

  it('does not blame the replica where the primary is away, too', async () => {
    const { world, read, said } = reading();
    world.primaryFails = new Error('connect ECONNREFUSED');
    await expect(read()).rejects.toThrow('connect ECONNREFUSED');
    world.primaryFails = undefined;
    expect(await read()).toEqual(FROM_REPLICA);
    expect(said()).toEqual([]);
  });

  it('that takes too long on the replica is not begun on the primary', async () => {
    const { world, read, askedOfPrimary } = reading();
    world.readFails = new Error('Query read timeout');
    await expect(read()).rejects.toThrow('Query read timeout');
    expect(askedOfPrimary).toEqual(['state']);
    world.readFails = new Error('conflict with recovery');
    expect(await read()).toEqual(FROM_PRIMARY);
  });

  it('goes to the primary where the replica takes too long to say what it has', async () => {
    const { world, read } = reading();
    world.replicaFails = new Error('Query read timeout');
    expect(await read()).toEqual(FROM_PRIMARY);
  });
});

it('reads are not counted where nothing is measured', async () => {
  const { world, read } = reading({ measures: false });
  expect(await read()).toEqual(FROM_REPLICA);
  world.replicaFails = new Error('connect ECONNREFUSED');
  expect(await read()).toEqual(FROM_PRIMARY);
});

describe('a replica', () => {
  it('is good if it is up to date, or behind', async () => {
    const { world, reader, clock } = reading();
    await reader.inspect();
    world.hasReplayed = Array(3).fill(false);
    const inspected = reader.inspect();
    await expect.poll(() => clock.sleeps).toHaveLength(1);
    clock.advance(501);
    await inspected;
  });

  it.each([
    [{ logEnd: null }, {}, 'DATABASE_URL leads to a replica, too'],
    [{}, { server: '8' }, 'it leads to another server, not to a replica of the primary'],
    [{}, { isReplica: false }, 'it does not lead to a replica'],
    [{}, { database: 'e' }, 'it leads to database e, not d'],
    [{}, { schema: null }, 'its search_path leads to schema null, not public'],
    [{}, { timeline: 2 }, 'it follows timeline 2, and the primary is on 1'],
  ])('must fit its primary: %o, %o', async (primary, replica, why) => {
    const { world, reader, read, said } = reading();
    world.primary = { ...PRIMARY, ...primary };
    world.replica = { ...REPLICA, ...replica };
    const inspected = reader.inspect();
    await expect(inspected).rejects.toThrow(StoreUnavailableError);
    await expect(inspected).rejects.toThrow(`DATABASE_READ_URL: ${why}`);
    await expect(inspected).rejects.toMatchObject({ cause: expect.any(Error) });
    expect(await read()).toEqual(FROM_PRIMARY);
    expect(said()).toMatchObject([expect.stringContaining(goesToPrimary(why))]);
  });

  it('cannot be looked at where the primary is away', async () => {
    const { world, reader } = reading();
    world.primaryFails = new Error('connect ECONNREFUSED');
    const inspected = reader.inspect();
    const message = 'the primary does not say where its write-ahead log ends: connect ECONNREFUSED';
    await expect(inspected).rejects.toThrow(new StoreUnavailableError(message));
    await expect(inspected).rejects.toMatchObject({ cause: world.primaryFails });
  });
});
