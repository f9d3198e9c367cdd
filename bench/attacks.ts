// Default settings under attack by somebody with a key, while clients with keys of their own go on sending.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createKey } from '../src/access/api-keys.ts';
import { ATTACKS, type AttackersData, type AttackName } from './attackers.ts';
import type { GoodClientsData, GoodClientsResult } from './good-clients.ts';
import type { BenchOptions, Measured, TestCluster } from './ground.ts';
import { median, type Row } from './rows.ts';

const GOOD_CALLERS = ['shop', 'app'];
const ATTACKER = 'attacker';
const PROBE_EVERY_MS = 50;
/** A probe without an answer in this time is given up; good clients that take so much longer than they should are ended. */
const LONGEST_WAIT_MS = 30_000;
const WARM_UP_SECONDS = 2;
/** As compilers and caches stand after a while; the attack is measured once it is under way. */
const UNDER_WAY_MS = 1000;
/** What is stored before, for those who read: 20 MB. */
const STORED = { batches: 4, events: 250, bytes: 20_000 };

interface Target extends Measured {
  keys: Record<string, string>;
}

/** One stretch of time, with or without an attack. */
interface Stretch extends GoodClientsResult {
  /** The longest wait for `/livez`. */
  livezMs: number;
}

/** Each attack on a service of its own, in turns with quiet: noise of the machine meets both. */
export async function benchAttacks(ground: TestCluster, options: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const attack of Object.keys(ATTACKS) as AttackName[]) {
    const target = await start(ground, join(ground.folder, `attacks-${rows.length}`));
    try {
      rows.push(...(await benchAttack(target, attack, options)));
    } finally {
      await target.stop();
    }
  }
  return rows;
}

async function benchAttack(
  target: Target,
  attack: AttackName,
  { runs, seconds }: BenchOptions,
): Promise<Row[]> {
  const [quiet, attacked]: [Stretch[], Stretch[]] = [[], []];
  const load = loadavg()[0]!;
  // Half of what it takes when it is left alone: clients that take all there is lose by whatever else it does.
  const rate = (await sendWell(target, WARM_UP_SECONDS)).eventsPerSecond / 2;
  const before = target.memory().most;
  for (let run = 1; run <= runs; run++) {
    quiet.push(await measure(target, seconds, rate));
    console.error(`attacks, run ${run}: before ${attack}: ${describe(quiet.at(-1)!)}`);
    attacked.push(await underAttack(target, attack, () => measure(target, seconds, rate)));
    console.error(`attacks, run ${run}: under ${attack}: ${describe(attacked.at(-1)!)}`);
  }
  const rates = (stretches: readonly Stretch[]) => stretches.map(({ eventsPerSecond }) => eventsPerSecond);
  const waits = (stretches: readonly Stretch[]) => stretches.map(({ livezMs }) => livezMs);
  const row = (what: string) => ({ part: 'attacks', what: `${attack}: ${what}` });
  return [
    {
      ...row('good clients'),
      unit: 'events/s',
      runs: rates(attacked),
      limit: { name: 'before the attack', runs: rates(quiet) },
      wanted: { atLeast: 0.8 },
      notes: `p50 ${median(quiet.map(({ p50Ms }) => p50Ms))}, then ${median(attacked.map(({ p50Ms }) => p50Ms))} ms; ${attacked.reduce((sum, { failures }) => sum + failures, 0)} failures; load of the machine before ${load.toFixed(1)}`,
    },
    {
      ...row('/livez, the longest wait'),
      unit: 'ms',
      runs: waits(attacked),
      wanted: { atMost: 1000 },
      notes: `before the attack ${Math.round(Math.max(...waits(quiet)))} ms`,
    },
    {
      ...row('memory, the most'),
      unit: 'MB',
      runs: [target.memory().most],
      wanted: { atMost: 512 },
      notes: `before the attack ${before} MB`,
    },
  ];
}

function describe({ eventsPerSecond, livezMs }: Stretch): string {
  return `${Math.round(eventsPerSecond)} events/s, /livez ${Math.round(livezMs)} ms`;
}

/** A service with default settings and keys, and something stored. */
async function start(ground: TestCluster, folder: string): Promise<Target> {
  const created = [...GOOD_CALLERS, ATTACKER].map((name) => createKey({ name, scopes: ['write', 'read'] }));
  const env = { DATA_DIR: folder, API_KEYS: JSON.stringify(created.map(({ entry }) => entry)) };
  const footfall = await ground.footfall(env);
  const keys = Object.fromEntries(created.map(({ key, entry }) => [entry.name, key]));
  const event = { userId: 'u', eventType: 'LOGIN', payload: { x: 'y'.repeat(STORED.bytes) } };
  const body = JSON.stringify(Array.from({ length: STORED.events }, () => event));
  for (let batch = 0; batch < STORED.batches; batch++) {
    const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${keys[GOOD_CALLERS[0]!]}` };
    const answer = await fetch(`${footfall.url}/events/batch?ack=stored`, { method: 'POST', headers, body });
    if (!answer.ok) throw new Error(`what is to be stored was answered with ${answer.status}`);
  }
  return { ...footfall, keys };
}

async function measure(target: Target, seconds: number, rate: number): Promise<Stretch> {
  const probe = probeLivez(target);
  const result = await sendWell(target, seconds, rate);
  return { ...result, livezMs: await probe.stop() };
}

async function sendWell({ url, keys }: Target, seconds: number, rate?: number): Promise<GoodClientsResult> {
  const data: GoodClientsData = { url, keys: GOOD_CALLERS.map((name) => keys[name]!), seconds, rate };
  const { child, ended } = begin('good-clients.ts', data);
  const timer = setTimeout(() => child.kill('SIGKILL'), seconds * 1000 + LONGEST_WAIT_MS);
  try {
    const [result] = await Promise.race([once(child, 'message'), endedEarly(ended, 'the good clients')]);
    await ended;
    return result as GoodClientsResult;
  } finally {
    clearTimeout(timer);
  }
}

async function underAttack<T>({ url, keys }: Target, attack: AttackName, use: () => Promise<T>): Promise<T> {
  const data: AttackersData = { attack, url, key: keys[ATTACKER]! };
  const { child, ended } = begin('attackers.ts', data);
  try {
    await sleep(UNDER_WAY_MS);
    return await Promise.race([use(), endedEarly(ended, 'the attackers')]);
  } finally {
    child.kill();
    await ended;
  }
}

/** `ended` resolves once the process is gone and all that it has said is here: it may be gone before that. */
function begin(file: string, data: object): { child: ChildProcess; ended: Promise<unknown> } {
  const child = fork(join(import.meta.dirname, file), [JSON.stringify(data)]);
  return { child, ended: Promise.all([once(child, 'exit'), once(child, 'disconnect')]) };
}

async function endedEarly(ended: Promise<unknown>, who: string): Promise<never> {
  await ended;
  // What they said last is told in the same turn.
  await sleep(0);
  throw new Error(`${who} have ended before they should`);
}

/** Asks again and again, as an orchestrator does: by a connection of its own each time. */
function probeLivez({ url }: Target): { stop(): Promise<number> } {
  const waits: Promise<number>[] = [];
  const timer = setInterval(() => waits.push(ask(`${url}/livez`)), PROBE_EVERY_MS);
  return {
    async stop() {
      clearInterval(timer);
      return Math.max(...(await Promise.all(waits)));
    },
  };
}

/** @returns milliseconds until the answer; without one, none that is short enough */
async function ask(url: string): Promise<number> {
  const askedAt = performance.now();
  return new Promise((resolve) => {
    const request = get(url, { agent: false, timeout: LONGEST_WAIT_MS }, (response) => {
      response.resume().once('end', () => resolve(performance.now() - askedAt));
    });
    request.once('timeout', () => request.destroy());
    request.once('error', () => {});
    // Also behind an answer that broke off, which is neither an end nor an error.
    request.once('close', () => resolve(Number.POSITIVE_INFINITY));
  });
}
