import type { SimulatedProcess } from './process.ts';
import { type Random, stream } from './random.ts';
import type { World } from './world.ts';

const CALM_TOLD_AFTER_MS = 50;

export interface Assignment {
  partitions: number[];
  /** Aborts when this member is told of another one, or has failed. */
  ended: AbortController;
  isTaken: boolean;
}

/** A process as a member of a group, as far as it was told. */
export class GroupMember {
  readonly process: SimulatedProcess;
  readonly topic: string;
  #assignment: Assignment | undefined;
  #failure: Error | undefined;
  #changed = Promise.withResolvers<void>();
  hasLeft = false;
  /** Whether its process knows that it is one. */
  isKnown = false;

  constructor(process: SimulatedProcess, topic: string) {
    this.process = process;
    this.topic = topic;
  }

  get assignment(): Assignment | undefined {
    return this.#assignment;
  }

  assign(partitions: number[]): void {
    if (this.hasLeft) return;
    this.#assignment?.ended.abort();
    this.#assignment = { partitions, ended: new AbortController(), isTaken: false };
    this.#tell();
  }

  fail(error: Error): void {
    this.#failure ??= error;
    this.#assignment?.ended.abort();
    this.#tell();
  }

  /** The latest assignment that was not taken yet. @throws when the membership has failed */
  async next(signal: AbortSignal): Promise<Assignment | undefined> {
    while (!signal.aborted) {
      if (this.#failure) throw this.#failure;
      if (this.#assignment !== undefined && !this.#assignment.isTaken) {
        this.#assignment.isTaken = true;
        return this.#assignment;
      }
      await orEnd(this.#changed.promise, signal);
    }
    return undefined;
  }

  #tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

/** Resolves as soon as the signal aborts, then with nothing. */
export function orEnd<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  if (signal.aborted) return Promise.resolve(undefined);
  return new Promise((resolve, reject) => {
    const end = () => resolve(undefined);
    signal.addEventListener('abort', end, { once: true });
    const settled = <V>(settle: (value: V) => void) => {
      return (value: V) => {
        signal.removeEventListener('abort', end);
        settle(value);
      };
    };
    promise.then(settled(resolve), settled(reject));
  });
}

interface Group {
  topic: string;
  members: GroupMember[];
  generation: number;
}

/** Divides topics among members. Each is told in its own time: until then it reads what it had. */
export class Groups {
  readonly #world: World;
  readonly #random: Random;
  readonly #groups = new Map<string, Group>();
  isCalm = false;

  constructor(world: World) {
    this.#world = world;
    this.#random = stream(world.seed, 'groups');
  }

  join(name: string, topic: string, process: SimulatedProcess): GroupMember {
    const key = `${name} ${topic}`;
    const group = this.#groups.get(key) ?? { topic, members: [], generation: 0 };
    this.#groups.set(key, group);
    const member = new GroupMember(process, topic);
    group.members.push(member);
    this.#rebalance(group);
    this.#world.at(this.#world.options.sessionMs, () => {
      if (!member.isKnown) this.#evict(group, member);
    });
    return member;
  }

  members(name: string, topic: string): GroupMember[] {
    return this.#groups.get(`${name} ${topic}`)?.members ?? [];
  }

  leave(member: GroupMember): void {
    for (const group of this.#groups.values()) this.#remove(group, member);
  }

  /** A topic has grown, or is another one. */
  topicChanged(topic: string): void {
    for (const group of this.#groups.values()) if (group.topic === topic) this.#rebalance(group);
  }

  /** Everything is divided once more, for no reason that anybody knows. */
  shake(): void {
    for (const group of this.#groups.values()) this.#rebalance(group);
  }

  /** No heartbeat was answered for as long as a session lasts: every member has to join once more. */
  allSessionsEnd(): void {
    for (const group of this.#groups.values())
      for (const member of [...group.members]) this.#evict(group, member);
  }

  /** The process is silent: unless it has gone on by then, others are given what it had. */
  sessionEnds(process: SimulatedProcess): void {
    const { scheduler, options } = this.#world;
    scheduler.after(options.sessionMs, () => {
      if (process.isAlive && process.frozenUntil <= scheduler.now) return false;
      for (const group of this.#groups.values()) {
        for (const member of group.members) if (member.process === process) this.#evict(group, member);
      }
      return false;
    });
  }

  #evict(group: Group, member: GroupMember): void {
    this.#world.note(member.process.name, 'session ends');
    this.#remove(group, member);
    if (member.process.frozenUntil > this.#world.scheduler.now) this.#world.saw('frozen past its session');
    // Once it goes on it learns that the group has done without it.
    member.process.deliver(this.#toldAfter(), () =>
      member.fail(new Error('no longer a member of the group')),
    );
  }

  #remove(group: Group, member: GroupMember): void {
    const at = group.members.indexOf(member);
    if (at === -1) return;
    group.members.splice(at, 1);
    this.#rebalance(group);
  }

  #rebalance(group: Group): void {
    const world = this.#world;
    group.generation++;
    if (world.hasTransaction()) world.saw('rebalance inside a transaction');
    const { generation } = group;
    for (const member of group.members) {
      const ms = this.#toldAfter();
      if (ms > 1000) world.saw('told of a rebalance late');
      member.process.deliver(ms, () => {
        // Who is told late is told the latest.
        if (group.generation !== generation || !group.members.includes(member)) return;
        const partitions = this.#share(group, member);
        world.note(member.process.name, `is assigned [${partitions}]`);
        member.assign(partitions);
      });
    }
  }

  #share({ topic, members }: Group, member: GroupMember): number[] {
    const all = this.#world.topics.get(topic).partitions.keys();
    return [...all].filter((partition) => members[partition % members.length] === member);
  }

  #toldAfter(): number {
    if (this.isCalm) return this.#random.between(1, CALM_TOLD_AFTER_MS);
    const most = this.#world.options.toldAfterMs;
    return this.#random.chance(0.7) ? this.#random.between(1, 100) : this.#random.between(1, most);
  }
}
