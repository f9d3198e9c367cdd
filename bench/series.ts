// Counting and exploring: how long an answer takes, what it costs Footfall, and how long other requests wait meanwhile.
import { HOUR_MS } from '../src/store/event-store.ts';
import { type BenchOptions, type Measured, STORE_KINDS, type TestCluster } from './ground.ts';
import { fillStore, timed, withFootfall } from './reads.ts';
import type { Row } from './rows.ts';

const DAY_MS = 24 * HOUR_MS;
/** As `fill` spreads the events. */
const DAYS = 30;
const PROBE_PAUSE_MS = 5;

/** What is asked for, and its address. Some are asked once: the next answer comes from what this one has read. */
type Question = [what: string, path: string, isOnce?: boolean];

export function benchSeries(ground: TestCluster, options: BenchOptions): Promise<Row[]> {
  return benchAnswers('series', ground, options, series(options.events));
}

export function benchExplore(ground: TestCluster, options: BenchOptions): Promise<Row[]> {
  return benchAnswers('explore', ground, options, exploring(options.events));
}

async function benchAnswers(
  part: string,
  ground: TestCluster,
  { runs, events }: BenchOptions,
  questions: readonly Question[],
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const kind of STORE_KINDS) {
    const filled = await fillStore(ground, kind, events);
    console.error(`${part}, ${kind}: ${events} events are stored`);
    await withFootfall(ground, filled, async (footfall) => {
      for (const [what, path, isOnce = false] of questions) {
        const measured: Answer[] = [];
        for (let run = 0; run < (isOnce ? 1 : runs); run++) measured.push(await ask(footfall, path));
        const [{ found }] = measured as [Answer];
        const row = (unit: string, of: (answer: Answer) => number, note: string): Row => ({
          part,
          what: `${what}, ${kind}: ${note}`,
          unit,
          runs: measured.map(of),
          notes: found,
        });
        rows.push(
          row('ms', ({ ms }) => ms, 'the answer'),
          row('ms', ({ cpuMs }) => cpuMs, 'CPU of Footfall'),
          row('ms', ({ longestMs }) => longestMs, 'the longest wait of another request'),
        );
      }
    });
  }
  return rows;
}

const at = (daysAgo: number) => new Date(Date.now() - daysAgo * DAY_MS + HOUR_MS).toISOString();
const range = (daysAgo: number) => `from=${at(daysAgo)}&to=${at(0)}`;

/** How many days have no more events than may be read. */
function readableDays(events: number): number {
  return Math.min(DAYS, (DAYS * 950_000) / events);
}

/** Of the whole range, as far as an answer goes. */
function series(events: number): Question[] {
  const all = range(readableDays(events));
  const path = '/events/stats/series';
  return [
    ['by type and day', `${path}?${range(DAYS)}&interval=day&by=eventType`],
    ['by type and 15 minutes', `${path}?${range(10)}&interval=15minutes&by=eventType`],
    ['by user and day', `${path}?${range(DAYS)}&interval=day&by=userId`],
    ['by payload member and hour', `${path}?${all}&interval=hour&by=payload.productId`],
    ['of a payload value, by hour', `${path}?${all}&interval=hour&payload.productId=prod-0`],
  ];
}

/** Six hours, and a day: what is looked at most often; then all there is. */
function exploring(events: number): Question[] {
  const days = readableDays(events);
  const selected = (daysAgo: number) => `from=${at(daysAgo)}&to=${at(daysAgo - 0.25)}`;
  const against = (daysAgo: number) => `baselineFrom=${at(daysAgo)}&baselineTo=${at(0)}`;
  const difference = '/events/stats/difference';
  const steps = 'step=LOGIN&step=PRODUCT_VIEW&step=LOGOUT';
  return [
    ['difference of 6 hours to a day, at first', `${difference}?${selected(0.5)}&${against(1)}`, true],
    ['difference of 6 hours to all, at first', `${difference}?${selected(1)}&${against(days)}`, true],
    ['difference of 6 other hours to all, then', `${difference}?${selected(3)}&${against(days)}`],
    [
      'difference of 6 hours to all, of one payload value',
      `${difference}?${selected(1)}&${against(days)}&payload.productId=prod-0`,
    ],
    ['funnel of three steps in a day', `/events/stats/funnel?${range(1)}&${steps}`],
    ['funnel of three steps in all', `/events/stats/funnel?${range(DAYS)}&${steps}`],
    [
      'funnel of one payload value in all',
      `/events/stats/funnel?${range(days)}&${steps}&payload.productId=prod-0`,
    ],
    [
      'funnel with a payload value in the second step in all',
      `/events/stats/funnel?${range(days)}&${steps}&step2.payload.productId=prod-0`,
    ],
    ['returning users of all', `/events/stats/returning?${range(DAYS)}`],
  ];
}

interface Answer {
  /** How much was found. */
  found: string;
  ms: number;
  cpuMs: number;
  longestMs: number;
}

/** As far as the answers say how much they are about. */
interface Body {
  total?: number;
  events?: number;
  baselineEvents?: number;
  steps?: { users: number }[];
  weeks?: { users: number }[];
}

async function ask({ url }: Measured, path: string): Promise<Answer> {
  const cpuBefore = await cpuMs(url);
  let body: Body | undefined;
  const probing = longestProbe(url, () => body === undefined);
  const seconds = await timed(async () => {
    const response = await fetch(url + path);
    const answer = (await response.json()) as Body;
    if (!response.ok) throw new Error(`${path}: ${response.status} ${JSON.stringify(answer)}`);
    body = answer;
  });
  return {
    found: said(body!),
    ms: seconds * 1000,
    cpuMs: (await cpuMs(url)) - cpuBefore,
    longestMs: await probing,
  };
}

function said({ total, events = 0, baselineEvents = 0, steps, weeks }: Body): string {
  const users = steps ?? weeks;
  if (users === undefined) return `${total ?? events + baselineEvents} events`;
  return `${users.map((one) => one.users).join(', ')} users`;
}

async function longestProbe(url: string, isWanted: () => boolean): Promise<number> {
  let longest = 0;
  while (isWanted()) {
    longest = Math.max(longest, await timed(async () => void (await (await fetch(`${url}/livez`)).text())));
    await new Promise((resolve) => setTimeout(resolve, PROBE_PAUSE_MS));
  }
  return longest * 1000;
}

async function cpuMs(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^process_cpu_seconds_total ([\d.e+-]+)/m.exec(metrics)![1]) * 1000;
}
