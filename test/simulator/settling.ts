import { SAID_WITHIN_MS } from './health-judge.ts';
import { TOPIC } from './names.ts';
import type { Outlook } from './observer.ts';
import type { Simulation } from './simulation.ts';

/** How long after the last fault everything may take. */
const SETTLES_WITHIN_MS = 45_000;
const LOOK_EVERY_MS = 250;
/** How long it has to stay quiet: one look of the watchdog. */
const QUIET_FOR_MS = 2250;
/** By then every instance that is to be started again is, and a guest has left. */
const ALL_ARE_UP_AFTER_MS = 2000;
const STOPPED_AFTER_MS = 4000;
const SLACK_MS = 1000;

/** The time without faults at the end of a history: what goes on has to be said, and then everything comes to rest. */
export class Settling {
  readonly #simulation: Simulation;
  readonly #over: (violation?: string) => void;
  #quietSince: number | undefined;
  #isLastEventPosted = false;

  /** @param over told once it is at rest, or that it does not come to rest */
  constructor(simulation: Simulation, over: (violation?: string) => void) {
    this.#simulation = simulation;
    this.#over = over;
  }

  /** From now on nothing breaks any more. */
  begin(): void {
    const { world, logFaults, instances, plan } = this.#simulation;
    world.note('PLAN', 'nothing breaks any more');
    world.heal();
    logFaults.heal();
    for (const { process } of instances) process.thaw();
    if (plan.lastly === 'transactions stay open' && logFaults.hasOpenTransaction) this.#wait(0);
    else if (plan.lastly === 'nobody reads') this.#stopAll();
    else this.#comeToRest();
  }

  #stopAll(): void {
    const { world, instances, clients } = this.#simulation;
    world.at(ALL_ARE_UP_AFTER_MS, () => {
      for (const instance of instances) if (instance.isUp) instance.orderStop();
    });
    world.at(STOPPED_AFTER_MS, () => {
      for (const partition of world.topics.get(TOPIC).partitions.keys()) clients.probe(partition);
    });
    this.#wait(STOPPED_AFTER_MS);
  }

  /** Lets things stay as they are, from `ms` on for long enough to be said. */
  #wait(ms: number): void {
    const { world, health, plan } = this.#simulation;
    const endsAt = world.scheduler.now + ms + SAID_WITHIN_MS + SLACK_MS;
    const look = () => {
      health.look();
      if (world.scheduler.now < endsAt) {
        world.at(LOOK_EVERY_MS, look);
        return;
      }
      if (plan.lastly === 'transactions stay open') health.judgeHeldUp();
      void health.judgeWaiting(this.#asked()).then(() => this.#comeToRest());
    };
    look();
  }

  #comeToRest(): void {
    const { world, logFaults, instances, plan } = this.#simulation;
    logFaults.endTransactions();
    for (let slot = 0; slot < plan.members; slot++) {
      if (plan.lastly === 'nobody reads' && !instances[slot]!.isUp) this.#simulation.start(slot);
    }
    this.#lookAgain(world.scheduler.now);
  }

  #look(begunAt: number): void {
    const { world, health } = this.#simulation;
    const { now } = world.scheduler;
    const unrest = this.#unrest() ?? this.#lastEvent();
    if (unrest !== undefined) this.#quietSince = undefined;
    else this.#quietSince ??= now;
    const isLate = now - begunAt > SETTLES_WITHIN_MS;
    if (this.#quietSince !== undefined && now - this.#quietSince >= QUIET_FOR_MS) {
      // Some are told late that the group has done without them, and say so, rightly, for a moment.
      void health.wronglySaid(this.#asked()).then((wrong) => {
        if (wrong === undefined) void health.judgeLedger().then(() => this.#over());
        else if (isLate) this.#over(wrong);
        else this.#lookAgain(begunAt);
      });
    } else if (isLate) {
      this.#over(`L1 not at rest ${SETTLES_WITHIN_MS / 1000} s after the last fault: ${unrest}`);
    } else this.#lookAgain(begunAt);
  }

  /**
   * Who follows the stream learns with the next event that the store has gone back and come as far again.
   *
   * @returns that it is on its way, once
   */
  #lastEvent(): string | undefined {
    const { plan, clients } = this.#simulation;
    if (!plan.readers || this.#isLastEventPosted) return undefined;
    this.#isLastEventPosted = true;
    clients.probe(0);
    return 'the last event is on its way';
  }

  #lookAgain(begunAt: number): void {
    this.#simulation.world.at(LOOK_EVERY_MS, () => this.#look(begunAt));
  }

  #asked(): Outlook[] {
    const { instances, observer } = this.#simulation;
    const up = instances.filter(({ isUp }) => isUp).map(({ outlook }) => outlook);
    return observer === undefined ? up : [...up, observer];
  }

  /** @returns what is still to be done, if anything */
  #unrest(): string | undefined {
    const { clients, world, instances, store } = this.#simulation;
    if (!clients.areIdle) return 'clients wait for an answer';
    if (world.pending !== undefined) return `${world.pending} is on its way`;
    const down = instances.findIndex((instance) => !instance.isUp || !instance.isConsuming);
    if (down !== -1) return `instance ${down} is ${instances[down]!.consumer.state}`;
    const { topicId, partitions } = world.topics.get(TOPIC);
    const held = new Set(instances.flatMap(({ consumer }) => [...consumer.idle.keys()]));
    const orphan = [...partitions.keys()].find((partition) => !held.has(partition));
    if (orphan !== undefined) return `nobody reads partition ${orphan}`;
    for (const [at, log] of partitions.entries()) {
      const position = store.positions().find((one) => one.topicId === topicId && one.partition === at);
      const offset = position?.offset ?? log.earliest;
      // The log ends before what was processed of it, or has deleted all the rest: only a new record moves the position.
      if (offset > log.end || (offset < log.end && log.earliest === log.end)) clients.probe(at);
      if (offset !== log.end) return `partition ${at} is at ${offset} of ${log.end}`;
    }
    return undefined;
  }
}
