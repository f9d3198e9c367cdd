import type {
  AssignedPartition,
  LogBatch,
  StartPosition,
  SubscribeOptions,
} from '../../src/log/event-log.ts';
import { NO_EPOCH } from '../../src/log/landmarks.ts';
import { type Assignment, type GroupMember, orEnd } from './group.ts';
import type { SimulatedProcess } from './process.ts';

/** How long the broker holds a fetch that finds nothing. */
const FETCH_MAX_WAIT_MS = 2000;
/** The same once nobody waits for it any more: a new reading waits for the old one's. */
const LEFT_OVER_WAIT_MS = 300;

type Positions = Map<number, StartPosition>;

/** Reads a topic as a group member, in the same steps as the adapter of Kafka. */
export async function* readGroup(
  process: SimulatedProcess,
  options: SubscribeOptions,
): AsyncGenerator<LogBatch[]> {
  const { topic, group, signal } = options;
  const { world } = process;
  const joining = process.call('log', 'log.join', () => world.groups.join(group, topic, process));
  // Whoever gives up waiting has joined all the same.
  const leave = (member: GroupMember) => {
    member.hasLeft = true;
    // Without an answer its session runs out.
    process.call('log', 'log.leave', () => world.groups.leave(member)).catch(() => {});
    world.at(world.options.sessionMs, () => world.groups.leave(member));
  };
  const member = await orEnd(joining, signal);
  if (member === undefined) {
    joining.then(leave, () => {});
    return;
  }
  member.isKnown = true;
  try {
    while (!signal.aborted) {
      const assignment = await member.next(signal);
      if (assignment !== undefined) yield* readAssignment(process, assignment, options);
    }
  } finally {
    leave(member);
  }
}

/** Reads what was assigned until that changes; starts over as often as it is told, or the log turns out to be another. */
async function* readAssignment(
  process: SimulatedProcess,
  { partitions, ended: { signal: assigned } }: Assignment,
  { topic, signal, onAssigned }: SubscribeOptions,
): AsyncGenerator<LogBatch[]> {
  let divergesAt: ReadonlyMap<number, number> = new Map();
  while (!assigned.aborted && !signal.aborted) {
    const found = await describe(process, topic, partitions, divergesAt);
    const { connection } = process.world;
    const { positions: starts, restart } = await onAssigned(found);
    const positions: Positions = new Map(starts);
    const over = new AbortController();
    const end = () => over.abort();
    const ends = restart === undefined ? [assigned, signal] : [assigned, signal, restart];
    for (const one of ends) {
      one.addEventListener('abort', end);
      if (one.aborted) end();
    }
    const topicId = found[0]?.topicId ?? '';
    try {
      divergesAt = yield* readFrom({
        process,
        topic,
        topicId,
        positions,
        connection,
        signal,
        ended: over.signal,
      });
    } finally {
      for (const one of ends) one.removeEventListener('abort', end);
      end();
    }
  }
}

function describe(
  process: SimulatedProcess,
  topic: string,
  partitions: readonly number[],
  divergesAt: ReadonlyMap<number, number>,
): Promise<AssignedPartition[]> {
  return process.call('log', 'log.bounds', () => {
    const { topicId, partitions: logs } = process.world.topics.get(topic);
    return partitions.map((partition) => {
      const log = logs[partition];
      if (log === undefined) throw new Error(`unknown partition ${partition}`);
      const { earliest, stable: end } = log;
      const hasOffset = (offset: number) =>
        process.call('log', 'log.reaches', () => offset >= log.earliest && offset <= log.realEnd);
      const isCurrent = () =>
        process.call('log', 'log.bounds', () => {
          const { topicId: id, partitions: now } = process.world.topics.get(topic);
          const is = now[partition];
          return id === topicId && is?.earliest === earliest && is.stable >= end;
        });
      const found = divergesAt.get(partition);
      return { topic, topicId, partition, earliest, end, divergesAt: found, hasOffset, isCurrent };
    });
  });
}

interface Reading {
  process: SimulatedProcess;
  topic: string;
  topicId: string;
  /** Next offset of each assigned partition; moves as batches are handed out. */
  positions: Positions;
  /** On which it was described what the log holds. */
  connection: number;
  /** The reader is leaving. */
  signal: AbortSignal;
  /** This reading is over, for whatever reason. */
  ended: AbortSignal;
}

interface Fetched {
  batches: Omit<LogBatch, 'isAssigned' | 'commit'>[];
  divergesAt: Map<number, number>;
  error?: Error;
}

/** @returns the partitions whose log is another one than their positions are of, and from which offset on */
async function* readFrom(reading: Reading): AsyncGenerator<LogBatch[], ReadonlyMap<number, number>> {
  const { process, positions, signal, ended } = reading;
  let fetching: Promise<Fetched> | undefined;
  try {
    while (!ended.aborted) {
      fetching ??= fetchFrom(reading);
      const fetched = await orEnd(fetching, ended);
      if (fetched === undefined) break;
      fetching = undefined;
      if (fetched.error) throw fetched.error;
      if (fetched.divergesAt.size > 0) {
        process.world.saw('log found to diverge while it was read');
        return fetched.divergesAt;
      }
      if (process.world.connection !== reading.connection) {
        process.world.saw('log asked once more behind a new connection');
        break;
      }
      for (const { partition, nextOffset: offset, leaderEpoch } of fetched.batches) {
        positions.set(partition, { offset, leaderEpoch });
      }
      // The broker gathers the next records while these are processed.
      fetching = fetchFrom(reading);
      if (fetched.batches.length > 0 && !ended.aborted) yield handOut(process, fetched, ended);
    }
    return new Map();
  } finally {
    if (!signal.aborted) await fetching;
  }
}

function handOut(process: SimulatedProcess, { batches }: Fetched, ended: AbortSignal): LogBatch[] {
  return batches.map((batch) => {
    process.inHands.add(batch);
    return {
      ...batch,
      isAssigned: () => !ended.aborted,
      commit: () => void process.inHands.delete(batch),
    };
  });
}

function fetchFrom(reading: Reading): Promise<Fetched> {
  const { process, ended } = reading;
  // With nothing assigned there is nothing to ask for: only the next assignment ends this.
  if (reading.positions.size === 0) return once(ended);
  const { world } = process;
  const { promise, resolve } = Promise.withResolvers<Fetched>();
  const asked = world.begin(process, 'log.fetch');
  let isAnswered = false;
  const answer = (fetched: Fetched) => {
    isAnswered = true;
    asked.isParked = false;
    process.deliver(process.latency(), () => {
      const isCut = world.isCut(asked, 'log');
      const answered = isCut ? failed('connection lost') : fetched;
      world.end(asked, world.trace && describeFetched(answered));
      resolve(answered);
    });
  };
  /** @returns whether it was answered */
  const look = (mayWait: boolean): boolean => {
    if (isAnswered) return true;
    if (!process.isAlive) return true;
    const fate = world.fateOf(asked, 'log');
    const fetched = fate === 'answered' ? find(reading) : failed(`fetch ${fate}`);
    const isEmpty = fetched.batches.length === 0 && fetched.divergesAt.size === 0 && !fetched.error;
    if (isEmpty && mayWait) return false;
    answer(fetched);
    return true;
  };
  world.scheduler.after(process.latency(), () => {
    if (look(true)) return false;
    asked.isParked = true;
    world.park(() => look(true));
    const giveUp = () => {
      look(false);
      return false;
    };
    world.scheduler.after(FETCH_MAX_WAIT_MS, giveUp);
    const hurry = () => world.scheduler.after(process.random.between(0, LEFT_OVER_WAIT_MS), giveUp);
    if (ended.aborted) hurry();
    else ended.addEventListener('abort', hurry, { once: true });
    return false;
  });
  return promise;
}

async function once(ended: AbortSignal): Promise<Fetched> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (ended.aborted) resolve();
  else ended.addEventListener('abort', () => resolve(), { once: true });
  await promise;
  return { batches: [], divergesAt: new Map() };
}

function failed(message: string): Fetched {
  return { batches: [], divergesAt: new Map(), error: new Error(message) };
}

function find({ process, topic, topicId, positions }: Reading): Fetched {
  const { world } = process;
  const fetched: Fetched = { batches: [], divergesAt: new Map() };
  try {
    const { partitions } = world.topics.byId(topicId);
    for (const [partition, { offset, leaderEpoch = NO_EPOCH }] of positions) {
      if (fetched.batches.length > 0 && process.random.chance(0.3)) break;
      const found = partitions[partition]!.fetch(offset, leaderEpoch, world.options.fetchOffsets);
      if (found.is === 'divergence') fetched.divergesAt.set(partition, found.at);
      if (found.is === 'out of range') fetched.error = new Error('OFFSET_OUT_OF_RANGE');
      if (found.is !== 'batch') continue;
      const { records, nextOffset } = found;
      const where = { topic, topicId, partition, fetchedFrom: offset, nextOffset };
      fetched.batches.push({ ...where, records, leaderEpoch: found.leaderEpoch });
    }
  } catch (error) {
    fetched.error = error as Error;
  }
  return fetched;
}

function describeFetched({ batches, divergesAt, error }: Fetched): string {
  if (error) return error.message;
  const found = batches.map(
    ({ partition, fetchedFrom, nextOffset }) => `${partition}:${fetchedFrom}-${nextOffset}`,
  );
  const diverging = [...divergesAt].map(([partition, offset]) => `${partition} diverges at ${offset}`);
  return [...found, ...diverging].join(', ');
}
