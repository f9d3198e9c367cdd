import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { systemClock } from '../clock.ts';
import { withEnvFile } from '../config/config.ts';
import { type Context, showProgress } from './context.ts';
import { BrokenProducer } from './demo-broken-producer.ts';
import { Shop, type ShopEvent } from './demo-shop.ts';
import {
  call,
  callSuccessfully,
  retryAfterMs,
  type ServiceOptions,
  withServiceOptions,
} from './service-client.ts';

const HOUR_MS = 3_600_000;
const HISTORY_HOURS = 24;
/** For the past day: enough to show its pattern, and stored within seconds. */
const MOST_HISTORY_EVENTS = 100_000;
const FEWEST_USERS = 100;
const BATCH = 500;
const TICK_MS = 250;
/** Of one Poisson number. */
const MOST_AT_ONCE = 100;
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

interface DemoOptions extends ServiceOptions {
  rate: number;
  users: number;
  brokers?: string;
  history: boolean;
}

export function addDemo(program: Command, context: Context): void {
  const env = withEnvFile(context.env);
  const demo = program
    .command('demo')
    .description('play a small shop: users log in, look at products and log out, until Ctrl-C');
  withServiceOptions(demo, context)
    .option('--rate <events>', 'events a second, on average', toNumber, 3)
    .option('--users <number>', `how many users the shop has, at least ${FEWEST_USERS}`, toNumber, 500)
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
The key has to allow reading and writing.

Examples:
  footfall                             in one terminal
  footfall demo                        in another; then open http://127.0.0.1:3000
  footfall demo --rate 200 --users 5000`,
    )
    .action((options: DemoOptions) => new Demo(options, context).play());
}

class Demo {
  readonly #options: DemoOptions;
  readonly #context: Context;
  readonly #shop: Shop;
  /** Those that have not happened yet. */
  readonly #due = new Set(Object.keys(MISHAPS) as Mishap[]);
  #sent = 0;

  constructor(options: DemoOptions, context: Context) {
    this.#options = options;
    this.#context = context;
    this.#shop = new Shop(Math.max(options.users, FEWEST_USERS));
  }

  async play(): Promise<never> {
    const { url, rate, brokers, history } = this.#options;
    const env = withEnvFile(this.#context.env);
    const broken = brokers && (await BrokenProducer.open({ ...env, KAFKA_BROKERS: brokers }));
    if (history && (await this.#isEmpty())) await this.#sendHistory();
    console.log(`About ${rate} events a second go to ${url}. Open it in a browser; Ctrl-C ends this.`);
    const wanted = (rate * TICK_MS) / 1000;
    let [earlier] = this.#shop.play(1, new Date());
    await this.#send([earlier!]);
    for (;;) {
      const events = this.#shop.play(poisson(wanted), new Date());
      await this.#send([...events, ...this.#mishaps(earlier!, wanted)]);
      if (this.#happens('broken', wanted) && broken) await broken.send();
      earlier = events.at(-1) ?? earlier;
      await sleep(TICK_MS);
    }
  }

  /** What goes wrong while so many events are sent. @param earlier sent before */
  #mishaps(earlier: ShopEvent, wanted: number): ShopEvent[] {
    const now = systemClock.date().getTime();
    const next = (at = now) => this.#shop.play(1, new Date(at))[0]!;
    return [
      ...(this.#happens('repeated', wanted) ? [earlier] : []),
      ...(this.#happens('late', wanted) ? [next(now - Math.random() * LATE_MS)] : []),
      ...(this.#happens('wrong', wanted) ? [{ ...next(), eventType: 'LOGN' }] : []),
      ...(this.#happens('conflicting', wanted) ? [{ ...earlier, userId: `${earlier.userId}-other` }] : []),
    ];
  }

  #happens(mishap: Mishap, wanted: number): boolean {
    return this.#due.delete(mishap) || Math.random() < (MISHAPS[mishap] / 100) * wanted;
  }

  async #isEmpty(): Promise<boolean> {
    const stats = (await (await callSuccessfully(this.#options, '/events/stats')).json()) as {
      total: number;
    };
    return stats.total === 0;
  }

  /** The daily pattern: quiet at night, busiest in the evening. */
  async #sendHistory(): Promise<void> {
    const start = systemClock.date().getTime() - HISTORY_HOURS * HOUR_MS;
    const hours = Array.from({ length: HISTORY_HOURS }, (_, hour) => start + hour * HOUR_MS);
    const weights = hours.map((at) => 1.2 - Math.cos(((new Date(at).getHours() - 4) / 24) * 2 * Math.PI));
    const most = Math.min(MOST_HISTORY_EVENTS, this.#options.rate * 3600 * HISTORY_HOURS * 0.4);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (const [hour, at] of hours.entries()) {
      const events = Math.round((most * weights[hour]!) / total);
      const times = Array.from({ length: events }, () => at + Math.random() * HOUR_MS).sort((a, b) => a - b);
      const played = times.flatMap((time) => this.#shop.play(1, new Date(time)));
      for (let from = 0; from < played.length; from += BATCH)
        await this.#send(played.slice(from, from + BATCH));
      showProgress(this.#context, `First the last day: hour ${hour + 1} of ${HISTORY_HOURS}`);
    }
    showProgress(this.#context, '\n');
  }

  async #send(events: readonly ShopEvent[]): Promise<void> {
    if (events.length === 0) return;
    const headers = { 'Content-Type': 'application/json' };
    const request = { method: 'POST', body: JSON.stringify(events), headers };
    for (;;) {
      const response = await call(this.#options, '/events/batch', request);
      if (response.ok || response.status === 400) break;
      if (response.headers.get('Error-Retryable') !== 'true') throw new Error(await response.text());
      await sleep(retryAfterMs(response));
    }
    this.#sent += events.length;
    showProgress(this.#context, `${this.#sent} events sent`);
  }
}

/** How many rare events happen in an interval with this average (Poisson). */
function poisson(mean: number): number {
  // The exponential of a large mean is 0; sums of such numbers are such numbers.
  if (mean > MOST_AT_ONCE) return poisson(MOST_AT_ONCE) + poisson(mean - MOST_AT_ONCE);
  let count = 0;
  for (let product = Math.random(); product > Math.exp(-mean); product *= Math.random()) count++;
  return count;
}

function toNumber(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('It must be a number above 0.');
  return value;
}
