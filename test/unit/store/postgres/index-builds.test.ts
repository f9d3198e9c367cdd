import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { systemClock } from '../../../../src/clock.ts';
import {
  type BuildOptions,
  buildIndexes,
  isAtWork,
  keepBuilding,
} from '../../../../src/store/postgres/index-builds.ts';
import { MIGRATIONS, made } from '../../../../src/store/postgres/migration-files.ts';
import { listeningLogger } from '../../../support/logger.ts';
import { type Found, standingClient } from '../../../support/scripted-standing.ts';

const [FIRST, SECOND, ...OTHERS] = made(MIGRATIONS).indexes as [Index, Index, ...Index[]];
type Index = ReturnType<typeof made>['indexes'][number];
type Connection = Awaited<ReturnType<BuildOptions['connect']>>;

const withCode = (code: string) => Object.assign(new Error(`of code ${code}`), { code });

/** Sleeps take no time, and something may happen in each. */
function watchSleeps(during: (sleeps: number) => void = () => {}): number[] {
  const sleeps: number[] = [];
  const spy = vi.spyOn(systemClock, 'sleep').mockImplementation(async (ms) => {
    sleeps.push(ms);
    during(sleeps.length);
  });
  onTestFinished(() => spy.mockRestore());
  return sleeps;
}

interface Ground {
  /** Those that are there, and whether they are valid. */
  indexes: Map<string, boolean>;
  /** Whether another process builds. */
  isTaken: boolean;
  /** Whether PostgreSQL works on the table. */
  isAtWork: boolean;
  /** Called with each statement that changes something, by the number of its connection. */
  before(statement: string): void;
  options: BuildOptions;
  ran: string[];
  lines: { msg: string }[];
  stopping: AbortController;
}

/** A database whose tables are complete, and lack some indexes. */
function lacking(...missing: Index[]): Ground {
  const { logger, lines } = listeningLogger();
  const stopping = new AbortController();
  const ran: string[] = [];
  let opened = 0;
  const all = [FIRST, SECOND, ...OTHERS].filter((one) => !missing.includes(one));
  const ground: Ground = {
    indexes: new Map(all.map(({ name }) => [name, true])),
    isTaken: false,
    isAtWork: false,
    before: () => {},
    ran,
    lines,
    stopping,
    options: {
      searchPath: undefined,
      logger,
      stopping: stopping.signal,
      async connect() {
        opened++;
        return connection(opened);
      },
    },
  };
  const found = (): Partial<Found> => ({
    indexes: [...ground.indexes].map(([name, isValid]) => ({ name, isValid })),
  });
  function connection(number: number): Connection {
    const { client } = standingClient(found);
    const query = async (text: string, values?: unknown[]) => {
      if (text.includes('as "isOurs"')) return { rows: [{ isOurs: !ground.isTaken }] };
      if (text.includes('as "isAtWork"')) {
        ran.push(`${number}: is at work on ${values}`);
        return { rows: [{ isAtWork: ground.isAtWork }] };
      }
      if (text.trimStart().startsWith('select') || text.includes('as "isSplit"')) return client.query(text);
      ran.push(`${number}: ${text}`);
      ground.before(text);
      const built = [FIRST, SECOND].find(({ statement }) => statement === text);
      if (built !== undefined) ground.indexes.set(built.name, true);
      const dropped = /^drop index concurrently if exists "(\w+)"$/.exec(text);
      if (dropped !== null) ground.indexes.delete(dropped[1]!);
      return { rows: [] };
    };
    const end = async () => void ran.push(`${number}: end`);
    return { query, end } as unknown as Connection;
  }
  return ground;
}

const BEGIN = 'begin isolation level read committed';
const building = ({ name, table }: Index) => [
  { msg: 'building an index; events are stored meanwhile', index: name, table },
  { msg: 'index built', index: name, table },
];

describe('building indexes', () => {
  it('is done at once where all are there', async () => {
    const { options, ran } = lacking();
    await buildIndexes(options);
    expect(ran).toEqual(['1: end']);
  });

  it('builds what is missing, one after the other, while another connection keeps others from it', async () => {
    const { options, ran, lines } = lacking(FIRST, SECOND);
    await buildIndexes(options);
    expect(ran).toEqual([
      `1: ${BEGIN}`,
      `2: ${FIRST.statement}`,
      `2: ${SECOND.statement}`,
      '2: end',
      '1: rollback',
      '1: end',
      '3: end',
    ]);
    expect(lines).toMatchObject([...building(FIRST), ...building(SECOND)]);
  });

  it('waits a second for who builds, and looks again', async () => {
    const ground = lacking(FIRST);
    ground.isTaken = true;
    const sleeps = watchSleeps((count) => {
      if (count === 2) ground.indexes.set(FIRST.name, true);
    });
    await buildIndexes(ground.options);
    expect(sleeps).toEqual([1000, 1000]);
    expect(ground.ran).toEqual([`1: ${BEGIN}`, '1: rollback', `1: ${BEGIN}`, '1: rollback', '1: end']);
  });

  it('drops one that is not valid, once nobody is at work on it', async () => {
    const ground = lacking(FIRST);
    ground.indexes.set(FIRST.name, false);
    ground.isAtWork = true;
    const sleeps = watchSleeps(() => {
      ground.isAtWork = false;
    });
    await buildIndexes(ground.options);
    expect(sleeps).toEqual([1000]);
    expect(ground.ran.slice(1, 5)).toEqual([
      `2: is at work on ${FIRST.table}`,
      `2: is at work on ${FIRST.table}`,
      `2: drop index concurrently if exists "${FIRST.name}"`,
      `2: ${FIRST.statement}`,
    ]);
    const { name, table } = FIRST;
    expect(ground.lines).toMatchObject([
      { msg: 'the index is not valid, as after an end in the middle: dropping it', index: name, table },
      ...building(FIRST),
    ]);
  });

  it('does not ask who is at work on one that is not there', async () => {
    const ground = lacking(FIRST);
    ground.isAtWork = true;
    await buildIndexes(ground.options);
    expect(ground.ran).not.toContain(`2: is at work on ${FIRST.table}`);
  });

  it('is done where the connection that kept others from it was lost meanwhile', async () => {
    const ground = lacking(FIRST);
    ground.before = (text) => {
      if (text === 'rollback') throw withCode('57P01');
    };
    await buildIndexes(ground.options);
    expect(ground.ran.slice(-2)).toEqual(['1: end', '3: end']);
  });

  it('ends its connections when a build fails', async () => {
    const ground = lacking(FIRST);
    ground.before = (text) => {
      if (text === FIRST.statement) throw withCode('53100');
    };
    await expect(buildIndexes(ground.options)).rejects.toThrow('of code 53100');
    expect(ground.ran.slice(-2)).toEqual(['2: end', '1: end']);
  });

  it('ends the connection of a build when it is to stop, and begins no other', async () => {
    const ground = lacking(FIRST, SECOND);
    ground.before = (text) => {
      if (text === FIRST.statement) ground.stopping.abort();
    };
    await buildIndexes(ground.options);
    expect(ground.ran).toEqual([
      `1: ${BEGIN}`,
      `2: ${FIRST.statement}`,
      '2: end',
      '2: end',
      '1: rollback',
      '1: end',
    ]);
  });

  it('lets go of the signal when it is done', async () => {
    const ground = lacking(FIRST);
    await buildIndexes(ground.options);
    const before = [...ground.ran];
    ground.stopping.abort();
    expect(ground.ran).toEqual(before);
  });

  it('stops to wait for who builds', async () => {
    const ground = lacking(FIRST);
    ground.isTaken = true;
    const sleeps = watchSleeps(() => ground.stopping.abort());
    await buildIndexes(ground.options);
    expect(sleeps).toHaveLength(1);
    expect(ground.ran.at(-1)).toBe('1: end');
  });

  it('opens no connection once it is stopped', async () => {
    const ground = lacking(FIRST);
    ground.stopping.abort();
    await buildIndexes(ground.options);
    expect(ground.ran).toEqual([]);
  });

  it('asks of the table of an index who is at work on it', async () => {
    const ground = lacking();
    const index = { ...SECOND, isInvalid: true };
    expect(await isAtWork(await ground.options.connect(), index)).toBe(false);
    ground.isAtWork = true;
    expect(await isAtWork(await ground.options.connect(), index)).toBe(true);
    expect(ground.ran).toEqual([SECOND, SECOND].map(({ table }, at) => `${at + 1}: is at work on ${table}`));
  });
});

describe('building indexes until it is done', () => {
  it('tries again after a failure, later each time, and says it once', async () => {
    const ground = lacking(FIRST);
    let failures = 0;
    ground.before = (text) => {
      if (text === FIRST.statement && failures++ < 7) throw withCode('53100');
    };
    const sleeps = watchSleeps();
    await keepBuilding(ground.options);
    expect(sleeps).toEqual([1000, 4000, 16_000, 64_000, 256_000, 600_000, 600_000]);
    expect(ground.lines.map(({ msg }) => msg)).toEqual([
      'building an index; events are stored meanwhile',
      'An index is not built, and queries that need it are slow. Trying again until it works',
      'index built',
    ]);
    expect(ground.lines[1]).toMatchObject({ err: { message: 'of code 53100' } });
  });

  it('says of each index what it says of others', async () => {
    const ground = lacking(FIRST, SECOND);
    await keepBuilding(ground.options);
    expect(ground.lines).toMatchObject([...building(FIRST), ...building(SECOND)]);
  });

  it('fails where the right to is lacking', async () => {
    const ground = lacking(FIRST);
    ground.before = (text) => {
      if (text === FIRST.statement) throw withCode('42501');
    };
    const sleeps = watchSleeps();
    await expect(keepBuilding(ground.options)).rejects.toThrow('of code 42501');
    expect(sleeps).toEqual([]);
  });

  it('does not count as failed when it is stopped during a build', async () => {
    const ground = lacking(FIRST);
    ground.before = (text) => {
      if (text !== FIRST.statement) return;
      ground.stopping.abort();
      throw withCode('42501');
    };
    await keepBuilding(ground.options);
    expect(ground.lines).toHaveLength(1);
  });

  it('stops in a pause', async () => {
    const ground = lacking(FIRST);
    ground.before = (text) => {
      if (text === FIRST.statement) throw withCode('53100');
    };
    const sleeps = watchSleeps(() => ground.stopping.abort());
    await keepBuilding(ground.options);
    expect(sleeps).toEqual([1000]);
  });
});
