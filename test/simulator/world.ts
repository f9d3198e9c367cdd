import type { Receipt } from '../../src/log/event-log.ts';
import { Conditions, type Dependency, type Fate } from './conditions.ts';
import { Groups } from './group.ts';
import type { SimulatedProcess } from './process.ts';
import type { Random } from './random.ts';
import { Scheduler } from './scheduler.ts';
import type { State } from './states.ts';
import { Topics } from './topic.ts';

/** How long something is on its way: mostly `leastMs` to `mostMs`, sometimes up to `slowMs`. */
export interface Latency {
  leastMs: number;
  mostMs: number;
  slowMs: number;
  slowChance: number;
}

export interface WorldOptions {
  seed: number;
  partitions: number;
  latency: Latency;
  /** Most offsets that one fetch answers of a partition. */
  fetchOffsets: number;
  /** How long a member of a group may be silent. */
  sessionMs: number;
  /** How late, at most, a member is told of a rebalance. */
  toldAfterMs: number;
  /** Milliseconds since 1970; by default virtual. */
  wallClock?: () => number;
}

/** A call on its way. */
export interface Call {
  process: SimulatedProcess;
  name: string;
  isCarriedOut: boolean;
  /** It waits in the log for records. */
  isParked: boolean;
  /** Begun before everything healed: it may still be slow. */
  isOld: boolean;
  /** Which connection it is on. */
  connection: number;
}

const COMMIT = 'store.process';
const LOOKING = new Set(['log.ends', 'log.timestamps', 'store.positions', 'store.watermarks', 'store.read']);
const EPOCH_MS = Date.UTC(2024, 0);
const CALM: Latency = { leastMs: 0.1, mostMs: 2, slowMs: 2, slowChance: 0 };

/** What the processes share: time, log, and what is broken; and what was seen of it. */
export class World {
  readonly seed: number;
  readonly options: WorldOptions;
  readonly scheduler = new Scheduler();
  readonly conditions = new Conditions();
  readonly topics: Topics;
  readonly groups: Groups;
  readonly seen = new Set<State>();
  /** Every call and every fault, a line each; undefined where nobody reads it. */
  trace: string[] | undefined;
  /** Milliseconds by which the clocks that write times are off. */
  clockSkewMs = 0;
  /** Told when records were appended. */
  onAppended: () => void = () => {};
  /** Which topic of its name a receipt is of. */
  readonly #topicIds = new WeakMap<Receipt, string>();
  #connection = 0;
  readonly #calls = new Set<Call>();
  #latency: Latency;
  #parked: (() => boolean)[] = [];

  constructor(options: WorldOptions) {
    this.seed = options.seed;
    this.options = options;
    this.#latency = options.latency;
    this.topics = new Topics(options.partitions);
    this.groups = new Groups(this);
  }

  saw(state: State): void {
    this.seen.add(state);
  }

  note(who: string, what: string, outcome = ''): void {
    this.trace?.push(`${this.scheduler.now.toFixed(3)} ${who}: ${what}${outcome && ` – ${outcome}`}`);
  }

  /** Milliseconds since 1970, for what carries a time. */
  wallClock(): number {
    return this.options.wallClock?.() ?? Math.floor(EPOCH_MS + this.scheduler.now + this.clockSkewMs);
  }

  /** Has the plan do something after `ms`. */
  at(ms: number, work: () => void): void {
    this.scheduler.after(ms, () => {
      work();
      return false;
    });
  }

  appended(receipt: Receipt, topicId: string): Receipt {
    this.#topicIds.set(receipt, topicId);
    return receipt;
  }

  topicIdOf(receipt: Receipt): string {
    return this.#topicIds.get(receipt)!;
  }

  /** Every connection to the log breaks: what is under way on one fails. */
  breakConnections(): void {
    this.#connection++;
    this.logChanged();
  }

  /** Another number after every connection to the log was broken. */
  get connection(): number {
    return this.#connection;
  }

  latency(random: Random): number {
    const { leastMs, mostMs, slowMs, slowChance } = this.#latency;
    return random.between(leastMs, slowChance > 0 && random.chance(slowChance) ? slowMs : mostMs);
  }

  /** @param look whether it is done: asked now and then, when the log has changed */
  park(look: () => boolean): void {
    this.#parked.push(look);
  }

  /** Who waits for records looks again. */
  logChanged(): void {
    const parked = this.#parked;
    this.#parked = [];
    for (const look of parked) if (!look()) this.#parked.push(look);
  }

  /** From now on nothing is broken or slow. */
  heal(): void {
    this.conditions.heal();
    for (const call of this.#calls) call.isOld = true;
    this.#latency = CALM;
    this.clockSkewMs = 0;
    this.groups.isCalm = true;
  }

  begin(process: SimulatedProcess, name: string): Call {
    const call = {
      process,
      name,
      isCarriedOut: false,
      isParked: false,
      isOld: false,
      connection: this.#connection,
    };
    this.#calls.add(call);
    this.note(process.name, name);
    return call;
  }

  isCut(call: Call, dependency: Dependency): boolean {
    return dependency === 'log' && call.connection !== this.#connection;
  }

  fateOf(call: Call, dependency: Dependency): Fate {
    const { process, name } = call;
    if (this.isCut(call, dependency)) return 'refused';
    const fate = this.conditions.fateOf(process.name, dependency, name, this.scheduler.now);
    if (fate === 'refused' || fate === 'hangs') this.saw(dependency === 'log' ? 'log away' : 'store away');
    if (name === COMMIT && fate === 'lost before') this.saw('commit lost before it was made');
    return fate;
  }

  carriedOut(call: Call, fate: Fate): void {
    call.isCarriedOut = true;
    this.note(call.process.name, call.name, 'carried out');
    if (call.name !== COMMIT) return;
    if (fate === 'lost after') this.saw('lost commit reply');
    if (fate === 'late') this.saw('commit that lands after it was given up');
  }

  end(call: Call, outcome?: string): void {
    this.#calls.delete(call);
    this.note(call.process.name, call.name, outcome);
  }

  died(process: SimulatedProcess): void {
    this.note(process.name, 'dies');
    for (const call of this.#calls) {
      if (call.process !== process) continue;
      this.#calls.delete(call);
      if (call.name !== COMMIT) continue;
      this.saw(call.isCarriedOut ? 'died between commit and answer' : 'died inside a transaction');
    }
    if (process.inHands.size > 0) this.saw('died with a batch in its hands');
    this.groups.sessionEnds(process);
  }

  /** Whether another process than this one has a transaction on its way. */
  hasTransaction(except?: SimulatedProcess): boolean {
    for (const { process, name } of this.#calls) if (name === COMMIT && process !== except) return true;
    return false;
  }

  /** A call that is on its way and decides something: none of those that just look. */
  get pending(): string | undefined {
    for (const { process, name, isParked, isOld } of this.#calls) {
      if (!isParked && (isOld || !LOOKING.has(name))) return `${name} of ${process.name}`;
    }
    return undefined;
  }
}
