import type { Logger } from '../../src/observability/logger.ts';
import { Clients } from './clients.ts';
import { CommitJudge } from './commit-judge.ts';
import type { Dependency } from './conditions.ts';
import { HealthJudge } from './health-judge.ts';
import { Instance } from './instance.ts';
import { judge } from './judge.ts';
import { BEHIND_LAST_RECORD, LAST_OFFSETS, LogFaults } from './log-faults.ts';
import { TOPIC } from './names.ts';
import { tracingLogger } from './observation.ts';
import { type Outlook, observe } from './observer.ts';
import { endOf, type Plan, type Step } from './plan.ts';
import { Settling } from './settling.ts';
import { STEPS } from './steps.ts';
import { StoreWorld } from './store-world.ts';
import { World } from './world.ts';

/** What the last fault needs to come about. */
const AFTERMATH_MS = 250;
/** A history that takes more has gone round in circles. */
const MAX_TURNS = 10_000;

/** One history: the plan carried out on real instances in virtual time, and then a time without faults. */
export class Simulation {
  readonly plan: Plan;
  readonly world: World;
  readonly store = new StoreWorld();
  readonly clients: Clients;
  readonly logFaults: LogFaults;
  readonly instances: Instance[] = [];
  readonly observer: Outlook | undefined;
  readonly health: HealthJudge;
  readonly #commits: CommitJudge;
  readonly #trace: string[] | undefined;
  #started = 0;
  #turns = 0;
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
    this.health = new HealthJudge(this.world, this.store);
    this.store.onRemains = (what) => this.#commits.remains(what);
    this.store.onCommit = (batches) => this.#commits.look(batches);
    for (let slot = 0; slot < plan.members; slot++) this.start(slot);
    this.observer = plan.observer ? observe(this.world, this.store, this.#loggerOf('observer')) : undefined;
    for (const step of plan.steps) this.world.at(step.at, () => this.#run(step));
    const settling = new Settling(this, (violation) => {
      this.#isOver = true;
      this.#isAtRest = violation === undefined;
      this.#unfinished = violation;
    });
    this.world.at(endOf(plan) + AFTERMATH_MS, () => settling.begin());
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
      ...this.health.violations,
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
    this.world.at(restartedAfterMs, () => this.start(slot));
  }

  stop(who: number, restartedAfterMs: number): void {
    const slot = who % this.plan.members;
    const instance = this.instances[slot]!;
    if (!instance.isUp) return;
    instance.orderStop();
    this.world.at(restartedAfterMs, () => this.start(slot));
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

  /** Where a position had its present offset once before, only how often it was rewound tells one from the other. */
  logAndStoreGoBack(where: number, count: number, ms: number): void {
    const partition = where % this.world.topics.get(TOPIC).partitions.length;
    this.logFaults.cut(partition, count, LAST_OFFSETS);
    for (let at = 0; at < count; at++) this.clients.probe(partition);
    this.world.at(ms, () => {
      const ago = this.store.sameOffsetAgo;
      if (ago !== undefined) this.world.saw('store went back to the same offset of another log');
      this.storeGoesBack(ago ?? 1);
    });
  }

  /** The leader epoch of the marker is forgotten with it. */
  markerLost(where: number, ms: number): void {
    const partition = where % this.world.topics.get(TOPIC).partitions.length;
    this.clients.transactionIn(partition, { ms: ms / 2, commits: false, leaderChanges: true });
    this.clients.probe(partition);
    this.world.at(ms, () => this.logFaults.cut(partition, 0, BEHIND_LAST_RECORD));
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
    if (this.store.move(position, Math.max(0, position.offset - count)))
      this.world.saw('position moved back by hand');
  }

  positionMovedForward(where: number, count: number): void {
    const positions = this.store.positions();
    const position = positions[where % positions.length];
    if (position?.offset == null) return;
    if (this.store.move(position, position.offset + count)) this.world.saw('position moved forward by hand');
  }

  #run(step: Step): void {
    this.logFaults.keep();
    const { describe, run } = STEPS[step.kind];
    this.world.note('PLAN', describe(step));
    run(this, step);
  }

  /** The instance of a slot, from its beginning. */
  start(slot: number): void {
    this.instances[slot] = this.#create(`instance ${slot}`, slot === 0 && this.plan.readers);
  }

  #create(name: string, isRead: boolean): Instance {
    const { world, store } = this;
    const own = `${name} (${this.#started++})`;
    return new Instance({ world, store, name: own, isRead, logger: this.#loggerOf(own) });
  }

  #loggerOf(name: string): Logger | undefined {
    return this.#trace && tracingLogger((line) => this.world.note(name, line));
  }

  #end(violation: string): false {
    this.#isOver = true;
    this.#unfinished = violation;
    return false;
  }
}
