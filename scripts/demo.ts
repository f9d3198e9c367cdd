import { setTimeout as sleep } from 'node:timers/promises';
import { Command, InvalidArgumentError } from 'commander';
import { withEnvFile } from '../src/config/config.ts';
import { BrokenProducer } from './demo-broken-producer.ts';
import { Shop, type ShopEvent } from './demo-shop.ts';

const HOUR_MS = 3_600_000;
const HISTORY_HOURS = 24;
/** For the past day: enough to show its pattern, and stored within seconds. */
const MOST_HISTORY_EVENTS = 100_000;
const FEWEST_USERS = 100;
const BATCH = 500;
const TICK_MS = 250;
/** How many of a hundred events go wrong on their way; each mishap also happens once at the beginning. */
const MISHAPS = {
  /** Sent again, as after an answer that was lost. */
  repeated: 1,
  /** From a phone that was offline. */
  late: 2,
  /** Of a type that does not exist. */
  wrong: 0.5,
  /** Another event under an id that was used. */
  conflicting: 0.2,
  /** Written into the topic by another program, past the API. */
  broken: 0.2,
};
type Mishap = keyof typeof MISHAPS;
const LATE_MS = 2 * HOUR_MS;

const env = withEnvFile(process.env);

const program = new Command()
  .name('npm run demo --')
  .description('Plays a small shop: users log in, look at products and log out, until Ctrl-C.')
  .option('--url <url>', 'where Footfall answers', `http://127.0.0.1:${env.PORT ?? '3000'}`)
  .option('--rate <events>', 'events a second, on average', toNumber, 3)
  .option('--users <number>', `how many users the shop has, at least ${FEWEST_USERS}`, toNumber, 500)
  .option('--key <key>', 'API key that may read and write, where keys are needed', env.FOOTFALL_KEY)
  .option(
    '--brokers <brokers>',
    'Kafka brokers of the service: there some records are written that are not events, for its dead letters. The embedded log has none: nobody else can write to it',
    env.KAFKA_BROKERS,
  )
  .option(
    '--no-history',
    'do not begin with the events of the last 24 hours, as is done where there are none yet',
  )
  .addHelpText(
    'after',
    `
Examples:
  npm start                            in one terminal
  npm run demo                         in another; then open http://127.0.0.1:3000
  npm run demo -- --rate 200 --users 5000`,
  )
  .parse();

const { url, rate, users, key, brokers, history } = program.opts<{
  url: string;
  rate: number;
  users: number;
  key?: string;
  brokers?: string;
  history: boolean;
}>();
const shop = new Shop(Math.max(users, FEWEST_USERS));
const brokenProducer =
  brokers === undefined ? undefined : new BrokenProducer(brokers, env.KAFKA_TOPIC ?? 'user-activity-events');
/** Those that have not happened yet. */
const due = new Set(Object.keys(MISHAPS) as Mishap[]);
let sent = 0;

await play();

async function play(): Promise<void> {
  try {
    if (history && (await isEmpty())) await sendHistory();
    console.log(`About ${rate} events a second go to ${url}. Open it in a browser; Ctrl-C ends this.`);
    const wanted = (rate * TICK_MS) / 1000;
    let [earlier] = shop.play(1, new Date());
    await send([earlier!]);
    for (;;) {
      const events = shop.play(poisson(wanted), new Date());
      await send([...events, ...mishaps(earlier!, wanted)]);
      if (happens('broken', wanted)) await brokenProducer?.send();
      earlier = events.at(-1) ?? earlier;
      await sleep(TICK_MS);
    }
  } catch (error) {
    console.error(`\n${(error as Error).message}`);
    process.exitCode = 1;
  }
}

/** What goes wrong while so many events are sent. @param earlier sent before */
function mishaps(earlier: ShopEvent, wanted: number): ShopEvent[] {
  const now = Date.now();
  const next = (at = now) => shop.play(1, new Date(at))[0]!;
  return [
    ...(happens('repeated', wanted) ? [earlier] : []),
    ...(happens('late', wanted) ? [next(now - Math.random() * LATE_MS)] : []),
    ...(happens('wrong', wanted) ? [{ ...next(), eventType: 'LOGN' }] : []),
    ...(happens('conflicting', wanted) ? [{ ...earlier, userId: `${earlier.userId}-other` }] : []),
  ];
}

function happens(mishap: Mishap, wanted: number): boolean {
  return due.delete(mishap) || Math.random() < (MISHAPS[mishap] / 100) * wanted;
}

async function isEmpty(): Promise<boolean> {
  const stats = (await (await call('/events/stats')).json()) as { total: number };
  return stats.total === 0;
}

/** The daily pattern: quiet at night, busiest in the evening. */
async function sendHistory(): Promise<void> {
  const start = Date.now() - HISTORY_HOURS * HOUR_MS;
  const hours = Array.from({ length: HISTORY_HOURS }, (_, hour) => start + hour * HOUR_MS);
  const weights = hours.map((at) => 1.2 - Math.cos(((new Date(at).getHours() - 4) / 24) * 2 * Math.PI));
  const most = Math.min(MOST_HISTORY_EVENTS, rate * 3600 * HISTORY_HOURS * 0.4);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  for (const [hour, at] of hours.entries()) {
    const events = Math.round((most * weights[hour]!) / total);
    const times = Array.from({ length: events }, () => at + Math.random() * HOUR_MS).sort((a, b) => a - b);
    const played = times.flatMap((time) => shop.play(1, new Date(time)));
    for (let from = 0; from < played.length; from += BATCH) await send(played.slice(from, from + BATCH));
    process.stderr.write(`\rFirst the last day: hour ${hour + 1} of ${HISTORY_HOURS}`);
  }
  process.stderr.write('\n');
}

async function send(events: readonly ShopEvent[]): Promise<void> {
  if (events.length === 0) return;
  for (;;) {
    const response = await call('/events/batch', JSON.stringify(events));
    if (response.ok || response.status === 400) break;
    if (response.headers.get('Error-Retryable') !== 'true') throw new Error(await response.text());
    await sleep(Number(response.headers.get('Retry-After') ?? 1) * 1000);
  }
  sent += events.length;
  if (process.stderr.isTTY) process.stderr.write(`\r${sent} events sent`);
}

async function call(path: string, body?: string): Promise<Response> {
  const headers = {
    'Content-Type': 'application/json',
    ...(key === undefined ? {} : { Authorization: `Bearer ${key}` }),
  };
  const response = await fetch(url + path, {
    headers,
    ...(body !== undefined && { method: 'POST', body }),
  }).catch(() => {
    throw new Error(
      `Nothing answers on ${url}. Start Footfall first (npm start), or say where it is with --url.`,
    );
  });
  if (response.status === 401 || response.status === 403) {
    throw new Error(`${url} asks for an API key that may read and write: give it with --key.`);
  }
  return response;
}

/** How many rare events happen in an interval with this average (Poisson). */
function poisson(mean: number): number {
  let count = 0;
  for (let product = Math.random(); product > Math.exp(-mean); product *= Math.random()) count++;
  return count;
}

function toNumber(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('It must be a number above 0.');
  return value;
}
