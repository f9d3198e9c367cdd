import { SimulatedProcess } from './process.ts';
import { SimulatedLog } from './simulated-log.ts';
import { World } from './world.ts';

/** A simulated log that follows the computer's clock, for tests that know nothing of virtual time. */
export class PlainLog {
  readonly #world: World;
  #opened = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(partitions: number) {
    this.#world = new World({
      seed: 1,
      partitions,
      latency: { leastMs: 0, mostMs: 1, slowMs: 1, slowChance: 0 },
      fetchOffsets: 1000,
      sessionMs: 10_000,
      toldAfterMs: 5,
      wallClock: Date.now,
    });
    this.#turn(performance.now());
  }

  get world(): World {
    return this.#world;
  }

  /** One more handle on it, as another process has. */
  open(): SimulatedLog {
    return new SimulatedLog(new SimulatedProcess(this.#world, `process ${this.#opened++}`));
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #turn(startedAt: number): void {
    const { scheduler } = this.#world;
    const nextAt = scheduler.nextAt;
    if (nextAt !== undefined && nextAt <= performance.now() - startedAt) scheduler.step();
    const isDue = (scheduler.nextAt ?? Number.POSITIVE_INFINITY) <= performance.now() - startedAt;
    this.#timer = setTimeout(() => this.#turn(startedAt), isDue ? 0 : 1);
  }
}
