import type { EventEmitter } from 'node:events';
import pg from 'pg';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { StoreUnavailableError } from '../../../../src/store/event-store.ts';
import { Database, type DatabaseOptions } from '../../../../src/store/postgres/client.ts';
import type { Prepared } from '../../../../src/store/postgres/schema.ts';
import { handClock } from '../../../support/hand-clock.ts';
import { listeningLogger } from '../../../support/logger.ts';
import { PATIENCE_MS } from '../../../support/patience.ts';
import { type Answer, scriptedPool } from '../../../support/scripted-pool.ts';

const URL = 'postgres://u:p@host/d';
const POOLER =
  'A pooler gives each transaction another connection to PostgreSQL: going on without prepared statements, which costs time';

const withCode = (code: string, message = `of code ${code}`) => Object.assign(new Error(message), { code });

/** A database behind a pool whose connections answer as they are told, and what they were asked. */
function databaseOf({
  answer = () => ({ rows: [] }),
  connects = async () => {},
  unbuilt = [],
  ...options
}: {
  answer?: Answer;
  /** Called for each connection from the pool. */
  connects?: (pool: pg.Pool) => Promise<void>;
  unbuilt?: Prepared['unbuilt'];
} & Partial<DatabaseOptions> = {}) {
  const pool = scriptedPool(answer, connects);
  const prepares: unknown[] = [];
  const { logger, lines } = listeningLogger();
  const database = new Database({ url: URL, poolSize: 3, clock: handClock(), ...options }, logger, {
    async prepare(_, given) {
      prepares.push(given);
      return { schema: 'one', unbuilt };
    },
    lookBriefly: async () => {},
  });
  onTestFinished(() => database.close());
  return { database, prepares, lines, ...pool };
}

/** Fails the first time that a statement is `text`, and as often after that as is said. */
function failing(pattern: RegExp, error: Error, times = 1): Answer {
  let failures = 0;
  return ({ text }) => {
    if (pattern.test(text) && failures++ < times) throw error;
    return { rows: [{ n: 1 }] };
  };
}

describe('a statement', () => {
  it('is run on a connection of the pool, once the tables are prepared', async () => {
    const { database, asked, released, prepares } = databaseOf({ answer: () => ({ rows: [{ n: 1 }] }) });
    expect(await database.query('select $1', [1])).toEqual([{ n: 1 }]);
    expect(asked).toEqual([{ text: 'select $1', values: [1] }]);
    // The first connection prepared the tables.
    expect(released).toEqual([undefined, undefined]);
    expect(prepares).toMatchObject([{ searchPath: undefined, migrates: true, onlyLooks: false }]);
  });

  it('that fails costs its connection, and is the fault that it is', async () => {
    const { database, released, prepares } = databaseOf({ answer: failing(/^bad/, withCode('42601')) });
    await expect(database.query('bad', [])).rejects.toThrow('of code 42601');
    expect(released).toEqual([undefined, true]);
    await database.query('good', []);
    expect(prepares).toHaveLength(1);
  });

  it('that misses a table has the tables prepared again', async () => {
    const { database, prepares } = databaseOf({ answer: failing(/^bad/, withCode('42P01')) });
    await expect(database.query('bad', [])).rejects.toThrow(new StoreUnavailableError('of code 42P01'));
    await database.query('good', []);
    expect(prepares).toHaveLength(2);
  });

  it('is no fault of the program where its connection broke', async () => {
    const { database, pools } = databaseOf({ answer: failing(/^cut/, new Error('read ECONNRESET')) });
    await expect(database.query('cut', [])).rejects.not.toThrow(StoreUnavailableError);
    const broken = databaseOf({ answer: failing(/^cut/, new Error('read ECONNRESET')) });
    await broken.database.query('before', []);
    broken.pools[0]!.once('connect', (client) => client.emit('error', new Error('read ECONNRESET')));
    await expect(broken.database.query('cut', [])).rejects.toThrow(
      new StoreUnavailableError('read ECONNRESET'),
    );
    // An idle connection that breaks is nobody's fault.
    expect(pools[0]!.emit('error', new Error('read ECONNRESET'), undefined as never)).toBe(true);
  });
});

describe('a prepared statement', () => {
  it('has a name of its own, which changes with its text', async () => {
    const { database, asked } = databaseOf();
    await database.prepared('process', 'select 1', [1]);
    await database.prepared('process', 'select 2', [2]);
    expect(asked).toMatchObject([
      { text: 'select 1', values: [1], name: expect.stringMatching(/^process_[0-9a-f]{16}$/) },
      { text: 'select 2', values: [2], name: expect.stringMatching(/^process_[0-9a-f]{16}$/) },
    ]);
    expect(asked[0]!.name).not.toBe(asked[1]!.name);
  });

  it('is run as any other, from then on, where a pooler has lost it, which is said once', async () => {
    const lost = withCode('26000');
    const { database, asked, lines } = databaseOf({
      answer: ({ name }) => {
        if (name !== undefined) throw lost;
        return { rows: [{ n: 1 }] };
      },
    });
    const run = () => database.prepared('process', 'select 1', [1]);
    expect(await Promise.all([run(), run()])).toEqual([[{ n: 1 }], [{ n: 1 }]]);
    expect(await run()).toEqual([{ n: 1 }]);
    expect(asked.map(({ name }) => name !== undefined)).toEqual([true, true, false, false, false]);
    expect(lines.map(({ msg }) => msg)).toEqual([POOLER]);
  });

  it('that fails for another reason is not tried again', async () => {
    const { database, asked, lines } = databaseOf({ answer: failing(/./, withCode('23505')) });
    await expect(database.prepared('process', 'select 1', [])).rejects.toThrow('of code 23505');
    expect([asked.length, lines]).toEqual([1, []]);
  });
});

it('a transaction that reads begins within a time, and ends', async () => {
  const { database, asked } = databaseOf({ answer: () => ({ rows: [{ n: 1 }] }) });
  const result = await database.reading(async (client) => (await client.query('select 1')).rows, 7);
  expect(result).toEqual([{ n: 1 }]);
  expect(asked).toEqual([
    { text: 'begin isolation level read committed read only', query_timeout: 7 },
    { text: 'select 1' },
    { text: 'commit' },
  ]);
});

it('statements in one round trip have the rows of each', async () => {
  const { database, asked } = databaseOf({ answer: () => [{ rows: [] }, { rows: [{ n: 1 }] }] });
  expect(await database.sequence(['select 1', 'select 2'])).toEqual([[], [{ n: 1 }]]);
  expect(asked).toEqual([{ text: 'select 1;select 2' }]);
});

describe('a probe', () => {
  it('tries what storing does, and waits for a table for a quarter of its time', async () => {
    const { database, asked } = databaseOf();
    await database.probe(10);
    expect(asked).toMatchObject([
      {
        text: expect.stringMatching(/^set local lock_timeout = 3;.*"one"\.events/),
        query_timeout: 10,
      },
    ]);
  });

  it('says who was in the way', async () => {
    const lock = { table: 'events', pid: 7, granted: true, since: null };
    const { database } = databaseOf({
      answer: ({ text }) => {
        if (text.startsWith('set local')) throw withCode('55P03');
        return { rows: [lock] };
      },
    });
    const probed = database.probe(PATIENCE_MS);
    await expect(probed).rejects.toThrow(new StoreUnavailableError('table events is locked by process 7'));
    await expect(probed).rejects.toMatchObject({ cause: { message: 'of code 55P03' } });
  });

  it('says what PostgreSQL says where nobody is in the way any more, or nobody was', async () => {
    const gone = databaseOf({
      answer: ({ text }) => {
        if (text.startsWith('set local')) throw withCode('55P03');
        return { rows: [] };
      },
    });
    await expect(gone.database.probe(PATIENCE_MS)).rejects.toThrow('of code 55P03');
    expect(gone.asked).toHaveLength(2);
    const refused = databaseOf({ answer: failing(/^set local/, withCode('42501')) });
    await expect(refused.database.probe(PATIENCE_MS)).rejects.toThrow('of code 42501');
    expect(refused.asked).toHaveLength(1);
  });
});

describe('a connection', () => {
  it('is asked for as the address says, with limits of time', async () => {
    const { database, pools } = databaseOf({ url: `${URL}?application_name=mine` });
    await database.query('select 1', []);
    expect(pools[0]!.options).toMatchObject({
      host: 'host',
      user: 'u',
      application_name: 'mine',
      max: 3,
      keepAlive: true,
      statement_timeout: 25_000,
      query_timeout: 30_000,
      connectionTimeoutMillis: 5000,
    });
    expect(Object.values(pools[0]!.options)).not.toContain(undefined);
  });

  it('is waited for as long as is said', async () => {
    const { database, pools } = databaseOf({ connectMs: 77 });
    await database.query('select 1', []);
    expect(pools[0]!.options).toMatchObject({ host: 'host', connectionTimeoutMillis: 77 });
  });

  it('says why there is none', async () => {
    const { database, pools } = databaseOf({
      connects: async () => {
        throw withCode('ECONNREFUSED', 'connect ECONNREFUSED');
      },
    });
    await expect(database.query('select 1', [])).rejects.toThrow(
      new StoreUnavailableError('connect ECONNREFUSED'),
    );
    expect(pools).toHaveLength(1);
  });

  const refusal = (name: string) => new Error(`unsupported startup parameter: ${name}`);

  it('does without the limit of statements where a pooler rejects that', async () => {
    const { database, pools } = databaseOf({
      connects: async (pool) => {
        if ((pool.options as { statement_timeout?: number }).statement_timeout !== undefined) {
          throw refusal('statement_timeout');
        }
      },
    });
    await database.query('select 1', []);
    await database.query('select 1', []);
    expect(pools).toHaveLength(4);
  });

  it('says why there is none without the limit, either', async () => {
    const { database, pools } = databaseOf({
      connects: async (pool) => {
        const { statement_timeout } = pool.options as { statement_timeout?: number };
        throw refusal(statement_timeout === undefined ? 'search_path' : 'statement_timeout');
      },
    });
    await expect(database.query('select 1', [])).rejects.toThrow(StoreUnavailableError);
    expect(pools).toHaveLength(2);
  });

  it('is closed with all others, once', async () => {
    const { database } = databaseOf();
    const end = vi.spyOn(pg.Pool.prototype, 'end');
    onTestFinished(() => end.mockRestore());
    await Promise.all([database.close(), database.close()]);
    expect(end).toHaveBeenCalledTimes(1);
  });
});

describe('a connection to build indexes on', () => {
  /** What the connections were asked for with; none is opened. */
  function refusingAll(error: () => Error) {
    const given: { options?: string; application_name?: string }[] = [];
    const connect = vi.spyOn(pg.Client.prototype, 'connect').mockImplementation(async function (
      this: pg.Client,
    ) {
      const { connectionParameters } = this as unknown as { connectionParameters: (typeof given)[number] };
      given.push(connectionParameters);
      // One that breaks before anybody uses it ends nothing else.
      (this as unknown as EventEmitter).emit('error', new Error('read ECONNRESET'));
      throw error();
    } as never);
    onTestFinished(() => connect.mockRestore());
    return given;
  }
  const unbuilt = [{ name: 'by_a', table: 'a', statement: 'create index …', isInvalid: false }];

  it('has no limits of time, and says whose it is', async () => {
    const given = refusingAll(() => withCode('ECONNREFUSED', 'connect ECONNREFUSED'));
    const { database } = databaseOf({ unbuilt, url: `${URL}?options=-c%20search_path%3Done` });
    await expect(database.migrate()).rejects.toThrow(new StoreUnavailableError('connect ECONNREFUSED'));
    expect(given).toMatchObject([
      {
        options:
          '-c search_path=one -c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0',
        application_name: 'footfall index builder',
      },
    ]);
  });

  it('does without that where a pooler takes no settings', async () => {
    const given = refusingAll(() => new Error('unsupported startup parameter: options'));
    const { database } = databaseOf({ unbuilt });
    await expect(database.migrate()).rejects.toThrow('the pooler in between takes no options');
    expect(given.map(({ options }) => options?.trim())).toEqual([
      '-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0',
      undefined,
    ]);
  });
});
