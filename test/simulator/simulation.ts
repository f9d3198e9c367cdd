import { Clients } from './clients.ts';
import { CommitJudge } from './commit-judge.ts';
import type { Dependency } from './conditions.ts';
import { Instance } from './instance.ts';
import { judge } from './judge.ts';
import { LogFaults, TOPIC } from './log-faults.ts';
import { tracingLogger } from './observation.ts';
import { endOf, type Plan, type Step } from './plan.ts';
import { STEPS } from './steps.ts';
import { StoreWorld } from './store-world.ts';
import { World } from './world.ts';

/** How long after the last fault everything may take. */
const SETTLES_WITHIN_MS = 45_000;
/** What the last fault needs to come about. */
const AFTERMATH_MS = 250;
const LOOK_EVERY_MS = 250;
/** How long it has to stay quiet: one look of the watchdog. */
const QUIET_FOR_MS = 2250;
/** A history that takes more has gone round in circles. */
const MAX_TURNS = 30_000;

/** One history: the plan carried out on real instances in virtual time, and then a time without faults. */
export class Simulation {
  readonly plan: Plan;
  readonly world: World;
  readonly store = new StoreWorld();
  readonly clients: Clients;
  readonly logFaults: LogFaults;
  readonly instances: Instance[] = [];
  readonly #commits: CommitJudge;
  readonly #trace: string[] | undefined;
  #started = 0;
  #turns = 0;
  #quietSince: number | undefined;
  #isOver = false;
  #isAtRest = false;
  #unfinished: string | undefined;

  constructor(plan: Plan, trace?: string[]) {
    this.plan = plan;
    this.#trace = trace;
    this.world = new World({ ...plan.world, seed: plan.seed });
    this.world.trace = trace;
    this.clients = new Clients(this.world);
    this.logFaults = new LogFaults(this.world, this.store);
    this.world.onAppended = () => this.logFaults.noteAppended();
    this.#commits = new CommitJudge(this.world);
    this.store.onRemains = (what) => this.#commits.remains(what);
    this.store.onCommit = (batches) => this.#commits.look(batches);
    for (let slot = 0; slot < plan.members; slot++) this.#start(slot);
    for (const step of plan.steps) this.world.at(step.at, () => this.#run(step));
    this.world.at(endOf(plan) + AFTERMATH_MS, () => this.#heal());
  }

  /** Runs on until code has to run. @returns false once it is over */
  step(): boolean {
    if (this.#isOver) return false;
    if (this.#turns++ > MAX_TURNS) return this.#end('L1 goes round in circles');
    if (!this.world.scheduler.step()) return this.#end('L1 nothing is due any more');
    return true;
  }

  /** What breaks a promise, in words; for one that is over. */
  async verdict(): Promise<string[]> {
    const judged = this.#isAtRest ? await judge(this) : [];
    return [
      ...(this.#unfinished === undefined ? [] : [this.#unfinished]),
      ...this.#commits.violations,
      ...judged,
    ];
  }

  get turns(): number {
    return this.#turns;
  }

  die(who: number, restartedAfterMs: number): void {
    const slot = who % this.plan.members;
    const instance = this.instances[slot]!;
    if (!instance.isUp) return;
    instance.process.die();
    this.world.at(restartedAfterMs, () => this.#start(slot));
  }

  stop(who: number, restartedAfterMs: number): void {
    const slot = who % this.plan.members;
    const instance = this.instances[slot]!;
    if (!instance.isUp) return;
    instance.orderStop();
    this.world.at(restartedAfterMs, () => this.#start(slot));
  }

  freeze(who: number, ms: number): void {
    const { process } = this.instances[who % this.plan.members]!;
    process.freeze(ms);
    this.world.groups.sessionEnds(process);
  }

  cutOff(who: number, dependency: Dependency, ms: number): void {
    const { process } = this.instances[who % this.plan.members]!;
    const until = this.world.scheduler.now + ms;
    this.world.conditions.breakOff({ process: process.name, dependency, until, hangs: false });
  }

  /** One more instance for a while. */
  guest(ms: number): void {
    const guest = this.#create('guest', false);
    this.world.at(ms, () => guest.orderStop());
  }

  redrive(who: number): void {
    const { process, deadLetters } = this.instances[who % this.plan.members]!;
    process.deliver(0, () => {
      const redriving = deadLetters.redrive({});
      // It may fail, and is then asked for again by whoever wanted it.
      redriving.then(
        ({ redriven }) => redriven > 0 && this.world.saw('dead letters appended again'),
        () => {},
      );
    });
  }

  storeGoesBack(commits: number): void {
    if (this.store.commits === 0) return;
    this.store.goBack(commits);
    this.#commits.storeWentBack();
    this.world.saw('store went back under a running member');
  }

  storeEmptied(): void {
    if (this.store.commits === 0) return;
    this.store.empty();
    this.#commits.storeWentBack();
    this.world.saw('store emptied');
  }

  positionMovedBack(where: number, count: number): void {
    const positions = this.store.positions();
    const position = positions[where % positions.length];
    if (position?.offset == null) return;
    if (this.store.moveBack(position, Math.max(0, position.offset - count)))
      this.world.saw('position moved back by hand');
  }

  #run(step: Step): void {
    this.logFaults.keep();
    const { describe, run } = STEPS[step.kind];
    this.world.note('PLAN', describe(step));
    run(this, step);
  }

  #start(slot: number): void {
    this.instances[slot] = this.#create(`instance ${slot}`, slot === 0 && this.plan.readers);
  }

  #create(name: string, isRead: boolean): Instance {
    const { world, store } = this;
    const own = `${name} (${this.#started++})`;
    const logger = this.#trace && tracingLogger((line) => world.note(own, line));
    return new Instance({ world, store, name: own, isRead, logger });
  }

  /** From now on nothing breaks any more: everything must come to rest by itself. */
  #heal(): void {
    this.world.note('PLAN', 'nothing breaks any more');
    this.world.heal();
    this.logFaults.heal();
    for (const { process } of this.instances) process.thaw();
    this.world.at(LOOK_EVERY_MS, () => this.#look(this.world.scheduler.now));
  }

  #look(healedAt: number): void {
    const { now } = this.world.scheduler;
    const unrest = this.#unrest();
    if (unrest !== undefined) this.#quietSince = undefined;
    else this.#quietSince ??= now;
    if (this.#quietSince !== undefined && now - this.#quietSince >= QUIET_FOR_MS) {
      this.#isOver = true;
      this.#isAtRest = true;
    } else if (now - healedAt > SETTLES_WITHIN_MS) {
      this.#end(`L1 not at rest ${SETTLES_WITHIN_MS / 1000} s after the last fault: ${unrest}`);
    } else this.world.at(LOOK_EVERY_MS, () => this.#look(healedAt));
  }

  /** @returns what is still to be done, if anything */
  #unrest(): string | undefined {
    if (!this.clients.areIdle) return 'clients wait for an answer';
    if (this.world.pending !== undefined) return `${this.world.pending} is on its way`;
    const down = this.instances.findIndex((instance) => !instance.isUp || !instance.isConsuming);
    if (down !== -1) return `instance ${down} is ${this.instances[down]!.consumer.state}`;
    const { topicId, partitions } = this.world.topics.get(TOPIC);
    const held = new Set(this.instances.flatMap(({ consumer }) => [...consumer.idle.keys()]));
    const orphan = [...partitions.keys()].find((partition) => !held.has(partition));
    if (orphan !== undefined) return `nobody reads partition ${orphan}`;
    for (const [at, log] of partitions.entries()) {
      const position = this.store.positions().find((one) => one.topicId === topicId && one.partition === at);
      const offset = position?.offset ?? log.earliest;
      // The log ends before what was processed of it, or has deleted all the rest: only a new record moves the position.
      if (offset > log.end || (offset < log.end && log.earliest === log.end)) this.clients.probe(at);
      if (offset !== log.end) return `partition ${at} is at ${offset} of ${log.end}`;
    }
    return undefined;
  }

  #end(violation: string): false {
    this.#isOver = true;
    this.#unfinished = violation;
    return false;
  }
}
