import { describe, expect, it } from 'vitest';
import type { Database } from '../../../../src/store/postgres/client.ts';
import { PostgresCounts } from '../../../../src/store/postgres/counts.ts';

/** As many as an instance stores before it counts them. */
const MANY = 20_000;

interface Counted {
  upto: string;
  isBarred: boolean;
}

/** What a count's statement answers. */
type Answer = (stable: number) => Promise<Counted>;

const all: Answer = async (stable) => ({ upto: String(stable), isBarred: false });

/** A database that counts as it is told, or all at once, and what it was asked for. */
function counting({ last = 7, answers = [] as Answer[], lookAgain = async () => {} } = {}) {
  const asked: string[] = [];
  const database = {
    async sequence() {
      asked.push('watermarks');
      return [
        [{ sequence: String(last), isReplica: false }],
        [{ locks: null }],
        [{ sequence: String(last) }],
      ];
    },
    async query(text: string, values: unknown[]) {
      if (!text.includes('counted_up_to')) return [];
      asked.push('count');
      return [await (answers.shift() ?? all)(values[0] as number)];
    },
    async lookAgain() {
      asked.push('look');
      await lookAgain();
    },
  } as unknown as Database;
  return { counts: new PostgresCounts(database, database), asked };
}

/** An answer that comes when it is asked to, and whether it was asked for. */
function held() {
  const begun = Promise.withResolvers<void>();
  const { promise, resolve } = Promise.withResolvers<void>();
  const answer: Answer = async (stable) => {
    begun.resolve();
    await promise;
    return all(stable);
  };
  return { answer, begun: begun.promise, release: resolve };
}

describe('counts in PostgreSQL', () => {
  it('are brought up to date by themselves after many events, not before', async () => {
    const { counts, asked } = counting();
    counts.add(MANY - 1);
    await counts.idle();
    expect(asked).toEqual([]);
    counts.add(1);
    await counts.idle();
    expect(asked).toEqual(['watermarks', 'count']);
    counts.add(MANY - 1);
    await counts.idle();
    expect(asked).toHaveLength(2);
    counts.add(1);
    await counts.idle();
    expect(asked).toEqual(['watermarks', 'count', 'watermarks', 'count']);
  });

  it('are not begun by themselves while a count runs, and what was stored meanwhile is not forgotten', async () => {
    const { answer, begun, release } = held();
    const { counts, asked } = counting({ answers: [answer] });
    counts.add(MANY);
    await begun;
    counts.add(MANY);
    release();
    await counts.idle();
    expect(asked).toEqual(['watermarks', 'count']);
    counts.add(1);
    await counts.idle();
    expect(asked).toEqual(['watermarks', 'count', 'watermarks', 'count']);
  });

  it('that fail in the background do not fail those that store, and the next count makes up for them', async () => {
    const fails: Answer = async () => {
      throw new Error('deadlock detected');
    };
    const { counts, asked } = counting({ answers: [fails] });
    counts.add(MANY);
    await counts.idle();
    counts.add(MANY);
    await counts.idle();
    expect(asked).toEqual(['watermarks', 'count', 'watermarks', 'count']);
  });

  it('are one at a time; who asks during one gets the next, with all others who do', async () => {
    const [first, second] = [held(), held()];
    const { counts, asked } = counting({ answers: [first.answer, second.answer] });
    const early = counts.totals();
    await first.begun;
    const late = Promise.all([counts.totals(), counts.byHour({ from: 0, to: 1 })]);
    // Whoever would not wait has asked by then.
    await new Promise((resolve) => setImmediate(resolve));
    expect(asked).toEqual(['watermarks', 'count']);
    first.release();
    await early;
    await second.begun;
    expect(asked).toEqual(['watermarks', 'count', 'watermarks', 'count']);
    second.release();
    await late;
    expect(asked).toHaveLength(4);
  });

  it('are waited for by who closes, the one that runs and the one behind it', async () => {
    const [first, second] = [held(), held()];
    const { counts } = counting({ answers: [first.answer, second.answer] });
    const over: string[] = [];
    const early = counts.totals().then(() => over.push('early'));
    await first.begun;
    const late = counts.totals().then(() => over.push('late'));
    const idle = counts.idle().then(() => over.push('idle'));
    first.release();
    await second.begun;
    second.release();
    await Promise.all([early, late, idle]);
    expect(over).toContain('idle');
    expect(over.indexOf('early')).toBeLessThan(over.indexOf('idle'));
  });

  it('go on in steps until all is counted that was there at the beginning', async () => {
    const step = (upto: string): Answer => {
      return async () => ({ upto, isBarred: false });
    };
    const { counts, asked } = counting({ last: 9, answers: [step('4'), step('8'), step('9')] });
    await counts.totals();
    expect(asked).toEqual(['watermarks', 'count', 'count', 'count']);
  });

  it('need no statement where nothing was ever stored', async () => {
    const { counts, asked } = counting({ last: 0 });
    expect(await counts.totals()).toEqual([]);
    expect(asked).toEqual(['watermarks']);
  });

  it('fail where a newer release has shut this one out, or are tried again where it has gone', async () => {
    const barred: Answer = async () => ({ upto: '7', isBarred: true });
    const lookAgain = async () => {
      throw new Error('of a newer Footfall');
    };
    const shutOut = counting({ answers: [barred], lookAgain });
    await expect(shutOut.counts.totals()).rejects.toThrow('of a newer Footfall');
    expect(shutOut.asked).toEqual(['watermarks', 'count', 'look']);
    const gone = counting({ answers: [barred] });
    await gone.counts.totals();
    expect(gone.asked).toEqual(['watermarks', 'count', 'look', 'count']);
  });
});
