import type { ClientBase } from 'pg';
import { describe, expect, it } from 'vitest';
import { StoreUnavailableError } from '../../../../src/store/event-store.ts';
import type { BuildOptions } from '../../../../src/store/postgres/index-builds.ts';
import { BeingMigratedError } from '../../../../src/store/postgres/migrate.ts';
import type { Prepared, SchemaOptions } from '../../../../src/store/postgres/schema.ts';
import { Tables } from '../../../../src/store/postgres/tables.ts';
import { handClock } from '../../../support/hand-clock.ts';
import { listeningLogger } from '../../../support/logger.ts';
import { standingClient } from '../../../support/scripted-standing.ts';

const CLIENT = {} as ClientBase;
const READY: Prepared = { schema: 'public', unbuilt: [] };
const INDEX = { name: 'by_a', table: 'a', statement: 'create index …', isInvalid: false };
const LACKING: Prepared = { schema: 'public', unbuilt: [INDEX, { ...INDEX, name: 'by_b' }] };
const ARE_SLOW =
  'These indexes are missing or not valid, and queries that need them are slow: by_a, by_b. Run "footfall migrate" as the owner of the tables';

const withCode = (code: string) => Object.assign(new Error(`of code ${code}`), { code });
/** As the store throws it when somebody holds a table. */
const inTheWay = () => new StoreUnavailableError('locked', { cause: withCode('55P03') });

type Outcome = Prepared | Error;

interface Given {
  /** What preparing comes to, each time; after these, `lastly`. */
  outcomes?: Outcome[];
  lastly?: Outcome;
  migrates?: boolean;
  onlyLooks?: boolean;
  /** What becomes of connections to build on; default: they are opened for ever. */
  connectApart?: BuildOptions['connect'];
  /** What is found by a short look. */
  look?: () => Promise<void>;
}

function tablesOf({
  outcomes = [],
  lastly = READY,
  migrates = true,
  onlyLooks = false,
  connectApart = () => new Promise<never>(() => {}),
  look = async () => {},
}: Given = {}) {
  const prepares: SchemaOptions[] = [];
  const asked: string[] = [];
  const clock = handClock({ random: 0.5 });
  const { logger, lines } = listeningLogger();
  const tables = new Tables({
    withConnection: (work) => work(CLIENT),
    connectApart: () => {
      asked.push('connect');
      return connectApart();
    },
    keeper: {
      async prepare(client, options) {
        expect(client).toBe(CLIENT);
        prepares.push(options);
        const outcome = outcomes.shift() ?? lastly;
        if (outcome instanceof Error) throw options.failedLately ?? outcome;
        return outcome;
      },
      async lookBriefly(client) {
        expect(client).toBe(CLIENT);
        asked.push('look');
        await look();
      },
    },
    searchPath: 'one',
    migrates,
    onlyLooks,
    logger,
    clock,
  });
  return { tables, prepares, asked, clock, lines: () => lines.map(({ msg }) => msg) };
}

describe('the tables, as a process knows them,', () => {
  it('are prepared once, for all who use them at the same time or later', async () => {
    const { tables, prepares } = tablesOf();
    expect(await Promise.all([tables.prepared(), tables.prepared()])).toEqual([READY, READY]);
    await tables.prepared();
    expect(prepares).toMatchObject([{ searchPath: 'one', migrates: true, onlyLooks: false }]);
  });

  it('are prepared as the settings say', async () => {
    const { tables, prepares } = tablesOf({ migrates: false, onlyLooks: true });
    await tables.prepared();
    expect(prepares).toMatchObject([{ migrates: false, onlyLooks: true }]);
  });

  it('are prepared again after a failure, and when they were found to be missing', async () => {
    const { tables, prepares } = tablesOf({ outcomes: [new Error('no connection')] });
    await expect(tables.prepared()).rejects.toThrow('no connection');
    await tables.prepared();
    expect(prepares.map(({ failedLately }) => failedLately)).toEqual([undefined, undefined]);
    tables.forget();
    await tables.prepared();
    expect(prepares).toHaveLength(3);
  });

  it('are only looked at for some time after others were in the way of a migration', async () => {
    const failure = inTheWay();
    const { tables, prepares, clock } = tablesOf({ lastly: failure });
    await expect(tables.prepared()).rejects.toBe(failure);
    clock.advance(44_999);
    await expect(tables.prepared()).rejects.toBe(failure);
    // That it was in the way then does not make the pause longer.
    clock.advance(1);
    await expect(tables.prepared()).rejects.toBe(failure);
    expect(prepares.map(({ failedLately }) => failedLately)).toEqual([undefined, failure, undefined]);
    await expect(tables.prepared()).rejects.toBe(failure);
    expect(prepares.at(-1)!.failedLately).toBe(failure);
  });

  it('are looked at briefly by who uses them, once a second', async () => {
    const { tables, asked, clock } = tablesOf();
    await tables.stillFit(CLIENT);
    expect(asked).toEqual(['look']);
    clock.advance(999);
    await tables.stillFit(CLIENT);
    expect(asked).toHaveLength(1);
    clock.advance(1);
    await tables.stillFit(CLIENT);
    expect(asked).toHaveLength(2);
    clock.advance(1000);
    await tables.prepared();
    await tables.stillFit(CLIENT);
    expect(asked).toHaveLength(2);
  });

  it('are forgotten by a short look that failed, which is not taken for what is', async () => {
    let isShutOut = false;
    const look = async () => {
      if (isShutOut) throw new StoreUnavailableError('of a newer Footfall');
    };
    const { tables, prepares, clock } = tablesOf({ look });
    await tables.prepared();
    isShutOut = true;
    clock.advance(1000);
    await expect(tables.stillFit(CLIENT)).rejects.toThrow('of a newer Footfall');
    await expect(tables.stillFit(CLIENT)).rejects.toThrow('of a newer Footfall');
    await tables.prepared();
    expect(prepares).toHaveLength(2);
  });

  it('say once what need not be said again', async () => {
    const { tables, prepares, lines } = tablesOf();
    await tables.prepared();
    for (const text of ['a', 'b', 'a']) prepares[0]!.warnOnce(text);
    expect(lines()).toEqual(['a', 'b']);
  });
});

describe('indexes that are missing', () => {
  it('are none of those where all are there', async () => {
    const { tables, prepares, asked } = tablesOf();
    await tables.prepared();
    await tables.lookAgain();
    await tables.close();
    expect([prepares.length, asked]).toEqual([2, []]);
  });

  it('are built by one at a time, whoever looks again', async () => {
    const { tables, asked, lines } = tablesOf({ lastly: LACKING });
    await tables.lookAgain();
    await tables.lookAgain();
    expect(asked).toEqual(['connect']);
    expect(lines()).toEqual([]);
  });

  it('are left to their owner by who does not migrate, which is said once', async () => {
    const { tables, asked, lines } = tablesOf({ lastly: LACKING, migrates: false });
    await tables.lookAgain();
    await tables.lookAgain();
    expect(asked).toEqual([]);
    expect(lines()).toEqual([ARE_SLOW]);
  });

  it('are left to their owner by who may not build them, and not tried again', async () => {
    const connectApart = async () => {
      throw withCode('42501');
    };
    const { tables, asked, lines } = tablesOf({ lastly: LACKING, connectApart });
    await tables.lookAgain();
    await expect.poll(lines).toEqual([ARE_SLOW]);
    await tables.lookAgain();
    expect(asked).toEqual(['connect']);
    expect(lines()).toEqual([ARE_SLOW]);
  });

  it('are built once more when they are missing again', async () => {
    const { tables, asked } = tablesOf({
      lastly: LACKING,
      connectApart: async () => standingClient(() => ({ searchPath: 'one' })).client,
    });
    await tables.lookAgain();
    await expect
      .poll(async () => {
        await tables.lookAgain();
        return asked.length;
      })
      .toBeGreaterThan(1);
  });

  it('keep a store from closing for as long as they need to stop', async () => {
    const { promise, reject } = Promise.withResolvers<never>();
    const { tables } = tablesOf({ lastly: LACKING, connectApart: () => promise });
    await tables.lookAgain();
    const over: string[] = [];
    const closed = tables.close().then(() => over.push('closed'));
    await tables.prepared();
    expect(over).toEqual([]);
    reject(withCode('57P01'));
    await closed;
  });
});

describe('a migration that a person asks for', () => {
  it('is made whatever the settings say, and needs no connection of its own where all indexes are there', async () => {
    const { tables, prepares, asked } = tablesOf({ migrates: false });
    await tables.migrate();
    expect(prepares).toMatchObject([{ migrates: true }]);
    expect(asked).toEqual([]);
  });

  it('builds the indexes, and fails as the store does', async () => {
    const connectApart = async () => {
      throw withCode('57P01');
    };
    const { tables, asked } = tablesOf({ lastly: LACKING, connectApart });
    await expect(tables.migrate()).rejects.toThrow(new StoreUnavailableError('of code 57P01'));
    expect(asked).toEqual(['connect']);
  });

  it('waits for another instance that is at it, a second each time', async () => {
    const outcomes = [new BeingMigratedError(), new BeingMigratedError()];
    const { tables, prepares, clock } = tablesOf({ outcomes });
    const migrated = tables.migrate();
    await expect.poll(() => clock.sleeps).toEqual([1000]);
    clock.advance(1000);
    await expect.poll(() => clock.sleeps).toEqual([1000, 1000]);
    clock.advance(1000);
    await migrated;
    expect(prepares).toHaveLength(3);
  });

  it('does not wait for another instance once it is closed', async () => {
    const { tables, clock } = tablesOf({ lastly: new BeingMigratedError() });
    const migrated = tables.migrate();
    await expect.poll(() => clock.sleeps).toEqual([1000]);
    await tables.close();
    await expect(migrated).rejects.toThrow(BeingMigratedError);
    expect(clock.sleeps).toEqual([1000]);
  });

  it('fails for every other reason, and tries at once although others were in the way lately', async () => {
    const { tables, prepares } = tablesOf({ outcomes: [inTheWay(), inTheWay()] });
    await expect(tables.prepared()).rejects.toThrow('locked');
    await expect(tables.migrate()).rejects.toThrow('locked');
    await tables.migrate();
    expect(prepares.map(({ failedLately }) => failedLately)).toEqual([undefined, undefined, undefined]);
  });
});
