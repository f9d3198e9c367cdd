import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { withDeadline } from '../../src/clock.ts';
import { eventKey } from '../../src/events/event.ts';
import { checkHistory } from './check-history.ts';
import { Cluster } from './cluster.ts';
import { type Fault, type Showing, until } from './fault.ts';
import { type Acked, Load } from './load.ts';
import { seededRandom, shuffled } from './random.ts';
import { catchesUp, currentTopicId, readHistory, verifyCluster } from './read-history.ts';

interface TortureOptions {
  /** Decides the order of faults, their victims and times; each cluster draws from it by itself. */
  seed: number;
  /** Each is used at least once; then again until the time is over. */
  faults: readonly Fault[];
  minutes: number;
  instances: number;
  mutation?: string;
  say(text: string): void;
}

export interface TortureResult {
  counts: Record<string, number>;
  statuses: Record<string, number>;
  recoveries: { fault: string; seconds: number }[];
  peakMemoryMb: number;
  /** What breaks a promise, in words. The logs and data of a run that has any are kept. */
  violations: string[];
}

const USERS = 16;
const CALM_MS = 300;
/** I8: how soon an outage must show. */
const SHOWS_WITHIN_MS = 10_000;
/** I7: how soon everything must work again without help. */
const RECOVERS_WITHIN_MS = 30_000;
/** A plan that cannot go on ends with an error. */
const INJECTS_WITHIN_MS = 180_000;
/** I6. */
const MAX_MEMORY_MB = 400;
/** Users whose events go to partitions 0, 1 and 2 of three. */
const PROBE_USERS = ['alice', 'dave', 'carol'];

/**
 * Runs the service under load, breaks things by plan, and checks the history afterwards. Faults that need three brokers
 * have a cluster of their own, beside the other: most of a fault is waiting.
 */
export async function torture(options: TortureOptions): Promise<TortureResult> {
  const clusters = [...Map.groupBy(options.faults, (fault) => fault.brokers ?? 1)];
  const running = clusters.map(([brokers, faults]) => {
    const name = brokers === 1 ? 'one broker' : `${brokers} brokers`;
    const say = (text: string) => options.say(clusters.length === 1 ? text : `${name}: ${text}`);
    return tortureCluster(brokers, { ...options, faults, say });
  });
  // Both are stopped before an error of one ends the process.
  await Promise.allSettled(running);
  return (await Promise.all(running)).reduce(merge);
}

async function tortureCluster(brokers: 1 | 3, options: TortureOptions): Promise<TortureResult> {
  const folder = await mkdtemp(join(tmpdir(), 'footfall-torture-'));
  // As root, PostgreSQL runs as a user of its own, who must get in.
  await chmod(folder, 0o755);
  const { instances, mutation } = options;
  const cluster = await Cluster.start({ folder, brokers, instances, mutation });
  let result: TortureResult | undefined;
  try {
    result = await new Torture(cluster, options).run();
  } finally {
    await cluster.stop();
    // A mutation is meant to fail: there is nothing to look into.
    const passed = result !== undefined && (result.violations.length === 0 || options.mutation !== undefined);
    if (passed) await rm(folder, { recursive: true, force: true });
    else options.say(`evidence kept in ${folder}`);
  }
  return result;
}

function merge(one: TortureResult, other: TortureResult): TortureResult {
  return {
    counts: added(one.counts, other.counts),
    statuses: added(one.statuses, other.statuses),
    recoveries: [...one.recoveries, ...other.recoveries],
    peakMemoryMb: Math.max(one.peakMemoryMb, other.peakMemoryMb),
    violations: [...one.violations, ...other.violations],
  };
}

function added(one: Record<string, number>, other: Record<string, number>): Record<string, number> {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return Object.fromEntries([...names].map((name) => [name, (one[name] ?? 0) + (other[name] ?? 0)]));
}

/** How the readiness of an instance shows that a dependency is away. */
function inReadiness(dependency: 'log' | 'store'): Showing {
  return {
    where: '/readyz',
    async isShown(url) {
      const response = await fetch(`${url}/readyz`);
      const report = (await response.json()) as Record<'log' | 'store', { ok: boolean }>;
      // Without the store events are still taken, and must not be turned away in front of an instance.
      return response.status === (dependency === 'log' ? 503 : 200) && !report[dependency].ok;
    },
  };
}

interface Probe {
  url: string;
  user: string;
}

class Torture {
  readonly #cluster: Cluster;
  readonly #options: TortureOptions;
  readonly #load: Load;
  readonly #violations: string[] = [];
  readonly #recoveries: TortureResult['recoveries'] = [];
  readonly #probes: Acked[] = [];
  readonly #random: () => number;
  #peakMemory = 0;

  constructor(cluster: Cluster, options: TortureOptions) {
    this.#cluster = cluster;
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.#load = new Load(cluster, USERS);
  }

  async run(): Promise<TortureResult> {
    this.#cluster.topic.id = await currentTopicId(this.#cluster);
    await this.#recovered('the start');
    const memory = setInterval(() => this.#sampleMemory(), 1000);
    const endsAt = Date.now() + this.#options.minutes * 60_000;
    for (let round = 0; round === 0 || Date.now() < endsAt; round++) {
      for (const fault of shuffled(this.#options.faults, this.#random)) {
        await this.#apply(fault);
        if (round > 0 && Date.now() > endsAt) break;
      }
    }
    await this.#load.stop();
    clearInterval(memory);
    return this.#judge();
  }

  async #apply(fault: Fault): Promise<void> {
    const [least, most] = fault.lastsMs;
    const lastsMs = least + this.#random() * (most - least);
    this.#options.say(
      `${fault.cases.join(', ')}: ${fault.name}${lastsMs > 0 ? ` for ${Math.round(lastsMs)} ms` : ''}`,
    );
    const injecting = fault.inject({
      cluster: this.#cluster,
      load: this.#load,
      random: this.#random,
      say: this.#options.say,
      violated: (what) => {
        this.#options.say(`  ${what}`);
        this.#violations.push(what);
      },
    });
    const heal = await withDeadline(injecting, INJECTS_WITHIN_MS, fault.name);
    const injectedAt = Date.now();
    if (fault.worksMeanwhile) await this.#recovered(`${fault.name}, meanwhile`);
    if (fault.shows) await this.#shows(fault, fault.shows);
    await sleep(Math.max(0, injectedAt + lastsMs - Date.now()));
    await heal();
    await this.#recovered(fault.name, fault.recoversWithinMs);
    await sleep(CALM_MS);
  }

  /** I8: an instance that runs says in time what is broken. */
  async #shows({ name }: Fault, shows: NonNullable<Fault['shows']>): Promise<void> {
    const { where, isShown } = typeof shows === 'string' ? inReadiness(shows) : shows;
    const isSeen = async () => isShown(this.#cluster.urls()[0]!).catch(() => false);
    if (!(await until(isSeen, SHOWS_WITHIN_MS)))
      this.#violations.push(`I8 "${name}" did not show in ${where} within ${SHOWS_WITHIN_MS} ms`);
  }

  /** I7: every instance takes a new event of each partition again, and they are stored. */
  async #recovered(after: string, withinMs = RECOVERS_WITHIN_MS): Promise<void> {
    const startedAt = Date.now();
    const silent = this.#cluster.instances.filter(({ answers }) => !answers);
    if (silent.length > 0)
      this.#violations.push(`I7 after "${after}" nobody answers: ${silent.map(({ name }) => name)}`);
    const missing = new Set(
      this.#cluster.urls().flatMap((url) => PROBE_USERS.map((user) => ({ url, user }))),
    );
    const sent = new Map<object, Acked>();
    while (missing.size > 0 && Date.now() - startedAt < withinMs) {
      await Promise.all([...missing].map((probe) => this.#probe(probe, sent, missing)));
      if (missing.size > 0) await sleep(50);
    }
    const seconds = (Date.now() - startedAt) / 1000;
    this.#recoveries.push({ fault: after, seconds });
    if (missing.size === 0) return this.#options.say(`  works again after ${seconds.toFixed(1)} s`);
    const what = [...missing].map(
      (probe) => `${sent.has(probe) ? 'storing' : 'taking'} events of ${probe.user} at ${probe.url}`,
    );
    this.#options.say(`  DOES NOT RECOVER: ${what.join(', ')}`);
    this.#violations.push(`I7 not recovered from "${after}" within ${withinMs} ms: ${what.join(', ')}`);
  }

  async #probe(probe: Probe, sent: Map<object, Acked>, missing: Set<Probe>): Promise<void> {
    const acked = sent.get(probe) ?? (await this.#load.send(probe.url, probe.user, 0));
    if (acked === undefined) return;
    if (!sent.has(probe)) this.#probes.push(acked);
    sent.set(probe, acked);
    if (await this.#isStored(acked)) missing.delete(probe);
  }

  async #isStored({ eventId }: Acked): Promise<boolean> {
    return (
      (await this.#cluster.query('select 1 from events where event_key = $1', [eventKey(eventId)])).length > 0
    );
  }

  async #sampleMemory(): Promise<void> {
    for (const instance of this.#cluster.instances) {
      this.#peakMemory = Math.max(this.#peakMemory, (await instance.memory()) ?? 0);
    }
  }

  async #judge(): Promise<TortureResult> {
    // If the store does not follow the log to its end, the checker says so.
    await catchesUp(this.#cluster);
    const { counts, violations } = checkHistory(
      await readHistory(this.#cluster, [...this.#load.acked, ...this.#probes]),
    );
    const missing = await verifyCluster(this.#cluster);
    if (missing.length > 0)
      violations.push(`verify misses ${missing.length}, such as ${JSON.stringify(missing[0])}`);
    const peakMemoryMb = Math.round(this.#peakMemory / 1e6);
    if (peakMemoryMb > MAX_MEMORY_MB) violations.push(`I6 an instance used ${peakMemoryMb} MB`);
    violations.push(...this.#violations);
    violations.push(...this.#load.lies.slice(0, 3).map((lie) => `I5 ${lie}`));
    violations.push(
      ...this.#cluster.instances.flatMap(({ crashes }) => crashes.map((crash) => `I9 ${crash}`)),
    );
    const statuses = Object.fromEntries(
      [...this.#load.statuses].map(([status, count]) => [status || 'no answer', count]),
    );
    return { counts, statuses, recoveries: this.#recoveries, peakMemoryMb, violations };
  }
}
