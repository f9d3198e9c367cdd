import type { Clock } from '../../src/clock.ts';
import type { Dependency, Fate } from './conditions.ts';
import { type Random, stream } from './random.ts';
import type { World } from './world.ts';

/** After which a client gives up a call that is not answered. */
const DEADLINE_MS: Record<Dependency, number> = { log: 5000, store: 3000 };

/**
 * A process: what its code awaits is answered through here, or never once it has died. A frozen one gets its answers
 * when it goes on.
 */
export class SimulatedProcess {
  readonly name: string;
  readonly world: World;
  readonly clock: Clock;
  readonly random: Random;
  /** Batches its code was given and has not committed. */
  readonly inHands = new Set<unknown>();
  readonly #arrivals = new Map<string, number>();
  #isAlive = true;
  #frozenUntil = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(world: World, name: string) {
    this.world = world;
    this.name = name;
    this.random = stream(world.seed, name);
    this.clock = {
      now: () => world.scheduler.now,
      date: () => new Date(world.scheduler.now),
      sleep: (ms, signal) => this.#sleep(ms, signal),
      random: this.random.next,
    };
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get frozenUntil(): number {
    return this.#frozenUntil;
  }

  /** None of its code runs any more. What it has sent may still arrive. */
  die(): void {
    this.#isAlive = false;
    this.world.died(this);
  }

  freeze(ms: number): void {
    this.#frozenUntil = Math.max(this.#frozenUntil, this.world.scheduler.now + ms);
  }

  thaw(): void {
    this.#frozenUntil = 0;
    this.#goOn();
  }

  /** Runs `work` in this process after `ms`, or when it goes on. */
  deliver(ms: number, work: () => void): void {
    this.world.scheduler.after(ms, () => this.#arrive(work));
  }

  /** How long something is on its way. */
  latency(): number {
    return this.world.latency(this.random);
  }

  /** Asks a dependency: `carryOut` runs there, between the way to it and the way back. */
  call<T>(dependency: Dependency, name: string, carryOut: (fate: Fate) => T | Promise<T>): Promise<T> {
    const { world } = this;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const call = world.begin(this, name);
    const fail = (error: Error, ms = this.latency()) => {
      this.deliver(ms, () => {
        world.end(call, error.message);
        reject(error);
      });
    };
    const answer = (value: T) => {
      this.deliver(this.latency(), () => {
        const isCut = world.isCut(call, dependency);
        world.end(call, isCut ? 'connection lost' : 'answered');
        if (isCut) reject(new Error('connection lost'));
        else resolve(value);
      });
    };
    world.scheduler.after(this.#wayThere(name), () => {
      // Whoever has died meanwhile had sent it, or had not.
      if (!this.#isAlive && this.random.chance(0.5)) return false;
      const fate = world.fateOf(call, dependency);
      const noAnswer = new Error(`no answer of the ${dependency}`);
      const run = () => {
        world.carriedOut(call, fate);
        return carryOut(fate);
      };
      if (fate === 'answered' || fate === 'partly') return settle(run, answer, fail);
      const givenUpAfter = fate === 'hangs' ? DEADLINE_MS[dependency] : this.random.between(0, 1000);
      if (fate === 'lost after') {
        const lose = () => fail(noAnswer, givenUpAfter);
        return settle(run, lose, lose);
      }
      if (fate === 'refused') fail(new Error(`the ${dependency} is away`));
      else fail(noAnswer, givenUpAfter);
      if (fate === 'late') {
        const landsAfter = givenUpAfter + this.random.between(0, 1500);
        world.scheduler.after(landsAfter, () => settle(run, ignore, ignore));
      }
      return false;
    });
    return promise;
  }

  /** Calls of a kind go over one connection: none overtakes another. */
  #wayThere(name: string): number {
    const { now } = this.world.scheduler;
    const arrival = Math.max(now + this.latency(), this.#arrivals.get(name) ?? 0);
    this.#arrivals.set(name, arrival);
    return arrival - now;
  }

  #arrive(work: () => void): boolean {
    if (!this.#isAlive) return false;
    const { scheduler } = this.world;
    if (scheduler.now < this.#frozenUntil) {
      this.#waiting.push(work);
      this.#wait();
      return false;
    }
    work();
    return true;
  }

  #wait(): void {
    const { scheduler } = this.world;
    scheduler.after(this.#frozenUntil - scheduler.now, () => {
      // Frozen for longer meanwhile.
      if (scheduler.now < this.#frozenUntil) this.#wait();
      else this.#goOn();
      return false;
    });
  }

  /** What arrived while it was frozen, in order; also where it is thawed sooner than was planned. */
  #goOn(): void {
    for (const work of this.#waiting.splice(0)) this.deliver(0, work);
  }

  #sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      signal?.addEventListener('abort', wake);
      this.deliver(ms, wake);
    });
  }
}

/** @returns whether code has to run before it is settled */
function settle<T>(
  run: () => T | Promise<T>,
  done: (value: T) => void,
  failed: (error: Error) => void,
): boolean {
  try {
    const result = run();
    if (result instanceof Promise) {
      result.then(done, failed);
      return true;
    }
    done(result);
  } catch (error) {
    failed(error as Error);
  }
  return false;
}

function ignore(): void {}
