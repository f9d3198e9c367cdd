import { DeadLetters } from '../../src/dead-letters/dead-letters.ts';
import { Catalog } from '../../src/events/catalog.ts';
import type { Logger } from '../../src/observability/logger.ts';
import { Consumer } from '../../src/processing/consumer.ts';
import { Processor } from '../../src/processing/processor.ts';
import { GROUP, TOPIC } from './names.ts';
import { noticing, SILENT } from './observation.ts';
import { Outlook } from './observer.ts';
import { SimulatedProcess } from './process.ts';
import { Reader } from './reader.ts';
import { SimulatedLog } from './simulated-log.ts';
import { SimulatedStore } from './simulated-store.ts';
import type { StoreWorld } from './store-world.ts';
import type { World } from './world.ts';

const CATALOGUE = new Catalog();
/** As in the service. */
const STALLED_AFTER_MS = 6000;

export interface InstanceOptions {
  world: World;
  store: StoreWorld;
  name: string;
  /** Whether somebody reads its stream of events. */
  isRead: boolean;
  logger: Logger | undefined;
}

/** An instance of the service, as far as it reads: the real code on a simulated log and store. */
export class Instance {
  readonly process: SimulatedProcess;
  readonly consumer: Consumer;
  readonly deadLetters: DeadLetters;
  readonly reader: Reader | undefined;
  readonly outlook: Outlook;
  #isStopped = false;
  #saidLogWentBack = false;

  constructor({ world, store: shared, name, isRead, logger = SILENT }: InstanceOptions) {
    this.process = new SimulatedProcess(world, name);
    const { clock } = this.process;
    const log = new SimulatedLog(this.process);
    const store = new SimulatedStore(this.process, shared);
    const metrics = noticing(() => {
      this.#saidLogWentBack = true;
    });
    const about = { log, store, group: GROUP, logger, metrics };
    const processor = new Processor({
      ...about,
      catalog: CATALOGUE,
      countedProperties: [],
      logEvery: 1,
      onStored: () => {},
      onDuplicates: () => {},
    });
    this.consumer = new Consumer({
      ...about,
      processor,
      topic: TOPIC,
      clock,
      stalledAfterMs: STALLED_AFTER_MS,
    });
    this.deadLetters = new DeadLetters({ log, store, group: GROUP });
    this.reader = isRead ? new Reader(this.process, store) : undefined;
    this.consumer.start();
    this.outlook = new Outlook(this.process, about, this.consumer);
  }

  /** Whether it is meant to work. */
  get isUp(): boolean {
    return this.process.isAlive && !this.#isStopped;
  }

  get saidLogWentBack(): boolean {
    return this.#saidLogWentBack;
  }

  get isConsuming(): boolean {
    return this.consumer.state === 'consuming' && this.consumer.stalled.length === 0;
  }

  /** It stops in the order of the service, once it is not frozen. */
  orderStop(): void {
    this.#isStopped = true;
    this.process.deliver(0, () => void this.#stop());
  }

  async #stop(): Promise<void> {
    this.reader?.stop();
    await this.outlook.stop();
    await this.consumer.stop();
    this.process.world.saw('stopped in order');
  }
}
