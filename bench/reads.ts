// Reading what is stored: all of it, against the store's own client; and pages, whose cost must not grow with the rows.
import { join } from 'node:path';
import { openSqliteFile } from '../src/sqlite/sqlite-file.ts';
import type { EventStore } from '../src/store/event-store.ts';
import { PostgresStore } from '../src/store/postgres/postgres-store.ts';
import { SqliteStore } from '../src/store/sqlite/sqlite-store.ts';
import { fill } from './events.ts';
import {
  type BenchOptions,
  type Measured,
  STORE_KINDS,
  type StoreKind,
  silent,
  type TestCluster,
} from './ground.ts';
import { readWithClient } from './own-client.ts';
import { median, type Row } from './rows.ts';

const FEW = 10_000;
const PAGE = 100;
const PAGES = 100;

/** A filled store: the settings of a service on it, and how its own client reads it. */
export interface Filled {
  env: Record<string, string>;
  readWithClient(): Promise<number>;
}

export async function benchReads(ground: TestCluster, options: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const kind of STORE_KINDS) rows.push(...(await benchKind(ground, options, kind)));
  return rows;
}

async function benchKind(
  ground: TestCluster,
  { runs, events }: BenchOptions,
  kind: StoreKind,
): Promise<Row[]> {
  const few = await fillStore(ground, kind, FEW);
  const many = await fillStore(ground, kind, events);
  console.error(`reads, ${kind}: ${events} events are stored`);
  const [limit, rates, grown]: [number[], number[], number[]] = [[], [], []];
  for (let run = 0; run < runs; run++) {
    limit.push(events / (await many.readWithClient()));
    await withFootfall(ground, many, async (footfall) => {
      const before = footfall.memory().now;
      rates.push(events / (await readAll(footfall)));
      grown.push(footfall.memory().most - before);
    });
  }
  const pages = async (filled: Filled, which: string) => {
    let ms = 0;
    await withFootfall(ground, filled, async (footfall) => {
      ms = await pageMs(footfall, which);
    });
    return ms;
  };
  const rows: Row[] = [
    {
      part: 'reads',
      what: `all of ${events} from ${kind}`,
      unit: 'events/s',
      runs: rates,
      wanted: { atLeast: 0.7 },
      limit: { name: "the store's own client", runs: limit },
    },
    {
      part: 'reads',
      what: `all of ${events} from ${kind}: memory grows`,
      unit: 'MB',
      runs: grown,
      wanted: { atMost: 50 },
    },
  ];
  for (const which of ['first', 'middle', 'last']) {
    rows.push({
      part: 'reads',
      what: `the ${which} page of ${PAGE} of ${events}, ${kind}`,
      unit: 'ms',
      runs: [await pages(many, which)],
      wanted: { atMost: 1.5 },
      limit: { name: `of ${FEW}`, runs: [await pages(few, which)] },
    });
  }
  return rows;
}

export async function fillStore(ground: TestCluster, kind: StoreKind, count: number): Promise<Filled> {
  return kind === 'SQLite' ? fillSqlite(ground, count) : fillPostgres(ground, count);
}

async function fillSqlite(ground: TestCluster, count: number): Promise<Filled> {
  const path = join(ground.folder, `reads-${count}.db`);
  const file = openSqliteFile(path);
  const store: EventStore = new SqliteStore(file);
  await fill(store, count);
  file.close();
  return {
    env: { DATABASE_URL: `sqlite:${path}` },
    readWithClient: () => timed(async () => void (await readWithClient(`sqlite:${path}`))),
  };
}

async function fillPostgres(ground: TestCluster, count: number): Promise<Filled> {
  const url = await ground.database();
  const store = new PostgresStore({ url, poolSize: 4, logger: silent });
  await fill(store, count);
  await store.close();
  return {
    env: { DATABASE_URL: url },
    readWithClient: () => timed(async () => void (await readWithClient(url))),
  };
}

export async function withFootfall(
  ground: TestCluster,
  { env }: Filled,
  use: (footfall: Measured) => Promise<void>,
): Promise<void> {
  const footfall = await ground.footfall({ DATA_DIR: join(ground.folder, 'reads-log'), ...env });
  try {
    await use(footfall);
  } finally {
    await footfall.stop();
  }
}

export async function readAll({ url }: Measured): Promise<number> {
  return timed(async () => {
    const response = await fetch(`${url}/events/processed`);
    for await (const _chunk of response.body!);
  });
}

/** The median of many. */
async function pageMs({ url }: Measured, which: string): Promise<number> {
  const newest = await fetch(`${url}/events/processed?order=desc&limit=1`);
  const last = Number(/cursor=(\d+)/.exec(newest.headers.get('Link')!)![1]);
  const cursor = { first: 0, middle: Math.floor(last / 2), last: last - PAGE }[which]!;
  const times: number[] = [];
  for (let page = 0; page < PAGES; page++) {
    const address = `${url}/events/processed?limit=${PAGE}&cursor=${cursor}`;
    times.push((await timed(async () => void (await (await fetch(address)).arrayBuffer()))) * 1000);
  }
  return median(times);
}

/** @returns seconds */
export async function timed(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (performance.now() - startedAt) / 1000;
}
