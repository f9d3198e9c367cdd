import type { Logger } from '../../src/observability/logger.ts';
import { Health, type HealthReport } from '../../src/operations/health.ts';
import type { Consumer } from '../../src/processing/consumer.ts';
import { Progress } from '../../src/processing/progress.ts';
import { GROUP, TOPIC } from './names.ts';
import { SILENT } from './observation.ts';
import { SimulatedProcess } from './process.ts';
import { SimulatedLog } from './simulated-log.ts';
import { SimulatedStore } from './simulated-store.ts';
import type { StoreWorld } from './store-world.ts';
import type { World } from './world.ts';

/** As in the service. */
const PROGRESS_EVERY_MS = 2000;

/** How far processing is and whether all is well, as an instance sees it: the real code. */
export class Outlook {
  readonly process: SimulatedProcess;
  readonly #progress: Progress<Consumer['idle']>;
  readonly #health: Health;

  /** @param consumer undefined for an instance that only answers requests */
  constructor(
    process: SimulatedProcess,
    { log, store, logger }: { log: SimulatedLog; store: SimulatedStore; logger: Logger },
    consumer?: Consumer,
  ) {
    this.process = process;
    const { clock } = process;
    this.#progress = new Progress({
      log,
      store,
      logger,
      group: GROUP,
      topic: TOPIC,
      clock,
      everyMs: PROGRESS_EVERY_MS,
      isThrottled: () => false,
      held: () => consumer?.idle ?? new Map(),
      polled: (poll) => consumer?.polled(poll),
    });
    // Nobody appends here by way of the service.
    const producer = { problem: undefined, forgetFailures() {} };
    this.#health = new Health({
      log,
      store,
      clock,
      consumer: () => consumer,
      progress: this.#progress,
      producer,
    });
    this.#progress.start();
  }

  /** As `/readyz` answers. */
  check(): Promise<HealthReport> {
    return this.#health.check();
  }

  stop(): Promise<void> {
    return this.#progress.stop();
  }
}

/** An instance that only answers requests, and is asked how processing is. */
export function observe(world: World, shared: StoreWorld, logger: Logger = SILENT): Outlook {
  const process = new SimulatedProcess(world, 'observer');
  const log = new SimulatedLog(process);
  return new Outlook(process, { log, store: new SimulatedStore(process, shared), logger });
}
