import { eventKey } from '../../src/events/event.ts';
import { accounts } from '../../src/processing/ledger.ts';
import { type DeadLetter, HOURS_A_DAY, USER_DIMENSION } from '../../src/store/event-store.ts';
import type { MemoryStore } from '../../src/store/memory/memory-store.ts';
import { checkHistory, type History, type TopicRecord } from '../faults/check-history.ts';
import { eventIn } from './decoded.ts';
import { GROUP, TOPIC } from './names.ts';
import { rewritesLog } from './plan.ts';
import type { Simulation } from './simulation.ts';
import type { PassedOver } from './store-world.ts';
import type { Topic } from './topic.ts';

/** What breaks a promise in a history that has come to rest, in words. */
export async function judge(simulation: Simulation): Promise<string[]> {
  const history = await readHistory(simulation);
  const { store } = simulation.store;
  return [
    ...checkHistory(history).violations,
    ...(await unbalanced(store)),
    ...(await readersMiss(simulation, store)),
    ...falseAlarms(simulation),
  ];
}

const ALL = { limit: Number.MAX_SAFE_INTEGER, bytes: Number.MAX_SAFE_INTEGER };

/** A log that has lost nothing must not be said to have gone back. */
function falseAlarms({ instances, plan }: Simulation): string[] {
  // A position behind the end of the log looks the same.
  if (plan.steps.some(({ kind }) => rewritesLog(kind) || kind === 'position moved forward')) return [];
  const saying = instances.filter(({ saidLogWentBack }) => saidLogWentBack);
  return saying.map(({ process }) => `R2 ${process.name} says that the log went back, which it did not`);
}

/** Whoever stays connected has, in the end, what the store has: each event once, also after the store went back. */
async function readersMiss({ instances }: Simulation, store: MemoryStore): Promise<string[]> {
  const problems: string[] = [];
  for (const { reader } of instances) {
    if (!reader?.isConnected) continue;
    const upTo = Number.MAX_SAFE_INTEGER;
    const sent = await store.read({ order: 'asc', after: reader.base, upTo, ...ALL });
    const view = reader.view;
    const missing = sent.filter(({ json }) => !view.includes(json));
    if (missing.length > 0)
      problems.push(`R1 a reader misses ${missing.length}, such as ${missing[0]!.json}`);
    if (new Set(view).size !== view.length) problems.push('R1 a reader has an event twice');
    if (view.length > sent.length) problems.push(`R1 a reader has ${view.length} of ${sent.length} events`);
  }
  return problems;
}

async function readHistory({ clients, world, store: { store, passedOver } }: Simulation): Promise<History> {
  const placed = await store.read({ order: 'asc', after: 0, upTo: Number.MAX_SAFE_INTEGER, ...ALL });
  const stored = placed.map(({ json }) => {
    const { eventId, userId } = JSON.parse(json) as { eventId: string; userId: string };
    return { key: eventKey(eventId), userId, json };
  });
  const letters = await store.deadLetters(GROUP, { limit: Number.MAX_SAFE_INTEGER });
  const { topicId } = world.topics.get(TOPIC);
  const topic: TopicRecord[] = [];
  const gone: TopicRecord[] = [];
  // The current one last: a log that was put back may be of a topic that was created before others.
  const everyTopic = [...world.topics.ever.values()]
    .filter(({ name }) => name === TOPIC)
    .sort((one, other) => Number(one.topicId === topicId) - Number(other.topicId === topicId));
  for (const one of everyTopic) sortRecords(one, one.topicId === topicId, passedOver, { held: topic, gone });
  const topicOf = ({ partition, offset }: Pick<DeadLetter, 'partition' | 'offset'>): string => {
    const isJunkOf = (one: Topic) =>
      one.everPartitions[partition]?.everAt(offset).some(({ record }) => record && !eventIn(record));
    return everyTopic.findLast(isJunkOf)?.topicId ?? topicId;
  };
  return {
    acked: clients.acked,
    topic,
    gone,
    stored,
    deadLetters: letters.map(({ partition, offset }) => ({
      topicId: topicOf({ partition, offset }),
      partition,
      offset,
    })),
    positions: [],
    counted: await counted(store),
    deleted: [],
  };
}

/**
 * What a topic holds, and what may be stored or not: what it held once, what somebody moved a position past, and what
 * retention has deleted and a log that was put back holds again.
 */
function sortRecords(
  { topicId, partitions, everPartitions }: Topic,
  isThere: boolean,
  passedOver: readonly PassedOver[],
  { held, gone }: { held: TopicRecord[]; gone: TopicRecord[] },
): void {
  const isPassedOver = (partition: number, offset: number) =>
    passedOver.some((one) => {
      const isOfPartition = one.topicId === topicId && one.partition === partition;
      return isOfPartition && offset >= one.from && offset < one.to;
    });
  for (const [partition, log] of everPartitions.entries()) {
    for (const [offset, entries] of log.ever.entries()) {
      const present = isThere && partition < partitions.length ? log.visible(offset) : undefined;
      for (const entry of entries ?? []) {
        if (!log.wasVisible(entry)) continue;
        const isLost = isPassedOver(partition, offset) || log.wasDeleted(entry);
        const list = entry.record === present && !isLost ? held : gone;
        list.push({ topicId, partition, offset, event: eventIn(entry.record!) });
      }
    }
  }
}

async function counted(store: MemoryStore): Promise<History['counted']> {
  const totals = await store.counts.totals();
  const total = totals.reduce((sum, { events }) => sum + events, 0);
  const day = Math.floor((totals[0]?.firstHour ?? 0) / HOURS_A_DAY);
  const values = await store.counts.topValues(USER_DIMENSION, day, 1000);
  const [days] = await store.counts.distinctByDay(USER_DIMENSION, { from: day, to: day });
  return {
    users: values.map(({ value, events }) => ({ userId: value, events })),
    total,
    distinct: [days?.values ?? 0, values.length],
  };
}

/** Every offset that was passed is accounted for, and none is counted below zero. */
async function unbalanced(store: MemoryStore): Promise<string[]> {
  const problems: string[] = [];
  for (const account of accounts(await store.positions(GROUP, TOPIC))) {
    for (const [name, value] of Object.entries(account)) {
      if (value < 0) problems.push(`I4 partition ${account.partition}: ${value} ${name}`);
    }
    const { partition, passed, stored, duplicates, deadLettered, withoutRecord, lost, unaccounted } = account;
    const known = stored + duplicates + deadLettered + withoutRecord + lost;
    if (passed !== known + unaccounted)
      problems.push(`I4 partition ${partition}: ${passed} passed, ${known} accounted for`);
  }
  return problems;
}
