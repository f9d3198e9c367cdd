import { describe, expect, it, onTestFinished } from 'vitest';
import { StoreUnavailableError } from '../../../../src/store/event-store.ts';
import { PostgresStore, type PostgresStoreOptions } from '../../../../src/store/postgres/postgres-store.ts';
import { listeningLogger } from '../../../support/logger.ts';
import { PATIENCE_MS, RUNS_OUT_MS } from '../../../support/patience.ts';
import { scriptedPool } from '../../../support/scripted-pool.ts';
import { type Found, standingClient } from '../../../support/scripted-standing.ts';
import { newBatch, newEvent, TOPIC } from '../../../support/store-batches.ts';

const MANY = 20_000;
const SERVER = { version: 'PostgreSQL 16.4 on x', number: '160004', encoding: 'UTF8' };
const SOUND = [{ rows: [] }, { rows: [{ locks: [] }] }, { rows: [{ cache: 1 }] }];
const CLAIMED = { partition: 0, epoch: '1', rewound: '0', landmarks: '', recreated: true, other_topics: [] };

interface Given extends Partial<PostgresStoreOptions> {
  found?: Partial<Found>;
  /** What statements other than those that look at the tables come to; undefined: no rows. */
  answer?: (text: string, values: unknown[]) => unknown;
}

/** A store on tables that are complete, unless said otherwise. */
function storeOn({ found = {}, answer = () => undefined, ...options }: Given = {}) {
  const { client } = standingClient(() => found);
  const { asked, pools } = scriptedPool(async ({ text, values = [] }) => {
    const own = await answer(text, values);
    if (own !== undefined) return own;
    if (text.includes('select version()')) return { rows: [SERVER] };
    if (text.includes('seqcache')) return SOUND;
    if (text.includes(' as gone, ')) return { rows: [{ gone: false, behind: false }] };
    if (text.includes('insert into positions (consumer_group')) {
      return { rows: [{ ...CLAIMED, next_offset: null }] };
    }
    return client.query(text);
  });
  const { logger, lines } = listeningLogger();
  const store = new PostgresStore({ url: 'postgres://u:p@host/d', poolSize: 1, logger, ...options });
  onTestFinished(() => store.close());
  return { store, lines, pools, texts: () => asked.map(({ text }) => text) };
}

const MOVED = 'The sequence of the events stood before events that are stored: it was moved past them';
const isBehind = (text: string) =>
  text.includes(' as gone, ') ? { rows: [{ gone: false, behind: true }] } : undefined;
const isMove = (text: string) => text.includes('setval(');

describe('a claim', () => {
  it('looks at the tables again before and after, and changes nothing that is as it should be', async () => {
    const { store, texts } = storeOn();
    expect(await store.claim(TOPIC, [0])).toMatchObject([
      { epoch: 1, offset: null, topicRecreated: true, landmarks: [], otherTopics: [] },
    ]);
    const looks = texts().flatMap((text, at) => (text.includes('as "isSplit"') ? [at] : []));
    const claimed = texts().findIndex((text) => text.includes('insert into positions (consumer_group'));
    expect(looks.some((at) => at < claimed)).toBe(true);
    expect(looks.some((at) => at > claimed)).toBe(true);
    expect(texts().filter((text) => text.includes('lock table'))).toEqual([]);
  });

  it('is not the first of a topic where there is a position', async () => {
    const { store } = storeOn({
      answer: (text) =>
        text.includes('insert into positions (consumer_group')
          ? { rows: [{ ...CLAIMED, next_offset: '4', rewound: '2' }] }
          : undefined,
    });
    expect(await store.claim(TOPIC, [0])).toMatchObject([{ offset: 4, rewound: 2, topicRecreated: false }]);
  });

  it('moves a sequence that is behind, and says so', async () => {
    const { store, lines } = storeOn({
      answer: (text) => (isMove(text) ? [{ rows: [] }, { rows: [{ sequence: '7' }] }] : isBehind(text)),
    });
    await store.claim(TOPIC, [0]);
    expect(lines).toMatchObject([{ msg: MOVED, sequence: 7 }]);
  });

  it('says nothing where another has moved it meanwhile', async () => {
    const { store, lines } = storeOn({
      answer: (text) => (isMove(text) ? [{ rows: [] }, { rows: [] }] : isBehind(text)),
    });
    await store.claim(TOPIC, [0]);
    expect(lines).toEqual([]);
  });

  it.each([
    ['42501', /^the sequence events_seq_seq is behind the stored events/],
    ['57P01', /^of code 57P01$/],
  ])('fails where it cannot be moved, with what to do where that is a right: %s', async (code, message) => {
    const { store } = storeOn({
      answer: (text) => {
        if (isMove(text)) throw Object.assign(new Error(`of code ${code}`), { code });
        return isBehind(text);
      },
    });
    const claimed = store.claim(TOPIC, [0]);
    await expect(claimed).rejects.toThrow(message);
    await expect(claimed).rejects.toThrow(StoreUnavailableError);
    await expect(claimed).rejects.toMatchObject({ cause: expect.any(Error) });
  });
});

it('a position is where a claim would find it: nowhere before the first event, and where all events are gone', async () => {
  const count = {
    stored: '0',
    duplicates: '0',
    dead_lettered: '0',
    without_record: '0',
    lost: '0',
    rewound: '0',
  };
  const row = {
    topic_id: 'i',
    partition: 0,
    epoch: '1',
    ...count,
    next_offset: '4',
    start_offset: '2',
    gone: false,
  };
  const rows = [row, { ...row, next_offset: null, start_offset: null }, { ...row, gone: true }];
  const { store } = storeOn({ answer: (text) => (text.includes('as gone from') ? { rows } : undefined) });
  expect(await store.positions('group', 'topic')).toMatchObject([
    { offset: 4, startOffset: 2 },
    { offset: null, startOffset: null },
    { offset: null, startOffset: 2 },
  ]);
});

it('what was stored is counted by itself after many events', async () => {
  const { store, texts } = storeOn({
    answer: (text) => {
      if (text.includes('as held')) return { rows: [{ held: [0], stored: null, conflicts: 0 }] };
      if (!text.includes('as sequence from events')) return undefined;
      return [
        { rows: [{ sequence: '0', isReplica: false }] },
        { rows: [{ locks: null }] },
        { rows: [{ sequence: null }] },
      ];
    },
  });
  await store.process([newBatch(Array.from({ length: MANY }, () => newEvent()))]);
  await store.counts.idle();
  expect(texts().filter((text) => text.includes('as sequence from events'))).toHaveLength(1);
});

describe('a database that does not answer', () => {
  const silent = { answer: () => new Promise<never>(() => {}) };
  const none = (what: string) => `${what}: no answer within ${RUNS_OUT_MS} ms`;

  it.each([
    ['a ping', (store: PostgresStore) => store.ping(RUNS_OUT_MS)],
    ['an inspection', (store: PostgresStore) => store.inspect(RUNS_OUT_MS)],
    ['an examination', (store: PostgresStore) => store.examine(RUNS_OUT_MS)],
  ])('is waited for as long as is said by %s', async (_, ask) => {
    await expect(ask(storeOn(silent).store)).rejects.toThrow(none('PostgreSQL'));
  });
});

describe('an inspection', () => {
  it('says what is there, and tries to store', async () => {
    const { store, texts } = storeOn();
    expect(await store.inspect(PATIENCE_MS)).toBe('PostgreSQL, tables in schema public');
    expect(texts().some((text) => text.startsWith('set local lock_timeout'))).toBe(true);
  });

  it('says that events are read from a replica, which it has looked at', async () => {
    const state = { server: '7', timeline: 1, database: 'd', schema: 'public' };
    const answer = (text: string) => {
      if (text.includes('"logEnd"')) return { rows: [{ ...state, logEnd: '1' }] };
      if (text.includes('pg_control_checkpoint')) return { rows: [{ ...state, isReplica: true }] };
      if (text.includes('"hasReplayed"')) return { rows: [{ hasReplayed: true }] };
      return undefined;
    };
    const readUrl = 'postgres://u:p@replica/d';
    const { store, texts, pools } = storeOn({ answer, readUrl });
    expect(await store.inspect(PATIENCE_MS)).toBe(
      'PostgreSQL, tables in schema public, events read from a replica',
    );
    expect(texts().some((text) => text.includes('"hasReplayed"'))).toBe(true);
    expect(pools.at(-1)!.options).toMatchObject({ host: 'replica' });
  });

  it('does not look at the replica of tables that are missing', async () => {
    const { store, texts } = storeOn({
      found: { tables: [], hasBookkeeping: false, applied: [] },
      answer: (text) => (text.includes('has_schema_privilege') ? { rows: [{ may: true }] } : undefined),
      readUrl: 'postgres://u:p@replica/d',
    });
    expect(await store.inspect(PATIENCE_MS)).toBe(
      'PostgreSQL, schema public: its tables are missing, and made at the start',
    );
    expect(texts().some((text) => text.includes('"logEnd"'))).toBe(false);
  });
});

it('a store that is closed has counted what it counts, and no connection, to the replica neither', async () => {
  const counting = Promise.withResolvers<void>();
  const readUrl = 'postgres://u:p@replica/d';
  const { store, pools } = storeOn({
    readUrl,
    answer: async (text) => {
      if (text.includes('"logEnd"')) return { rows: [{ logEnd: null }] };
      if (text.includes('as sequence from events')) await counting.promise;
      return undefined;
    },
  });
  await expect(store.inspect(PATIENCE_MS)).rejects.toThrow(StoreUnavailableError);
  const counted = expect(store.counts.totals()).rejects.toThrow();
  const closed = store.close();
  await store.positions('group', 'topic');
  expect(pools.some(({ ended }) => ended)).toBe(false);
  counting.resolve();
  await counted;
  await closed;
  expect(new Set(pools.map(({ options }) => options.host))).toEqual(new Set(['host', 'replica']));
  expect(pools.every(({ ended }) => ended)).toBe(true);
});
