import { eventKey } from '../../src/event.ts';
import type { Acked } from './load.ts';

/** Where a record is; a topic created anew under the same name has another id. */
export interface Place {
  topicId: string;
  partition: number;
  offset: number;
}

/** A record of the topic as the checker reads it. */
export interface TopicRecord extends Place {
  /** The event's key and text; undefined for a record that is no event. */
  event: { key: string; userId: string; json: string } | undefined;
}

/** What clients were told, what the log holds, and what the store holds. */
export interface History {
  acked: readonly Acked[];
  topic: readonly TopicRecord[];
  stored: readonly { key: string; userId: string; json: string }[];
  deadLetters: readonly Place[];
  /** `offset` is the next one to process. */
  positions: readonly (Place & Record<'stored' | 'duplicates' | 'deadLettered' | 'lost', number>)[];
  /** What the store has counted: events of each user, and different users and values by its count and its rows. */
  counted: {
    users: readonly { userId: string; events: number }[];
    total: number;
    distinct: [number, number];
  };
  /** What the plan deleted from the topic before it was processed. */
  deleted: readonly DeletedRange[];
  /**
   * What the topic held once and holds no more, because the plan put the log back to an earlier state: it may be stored,
   * or not. Where this is given, offsets are used more than once, and whoever gives it checks I4.
   */
  gone?: readonly TopicRecord[];
}

/** Offsets of a partition that were deleted when none was processed yet; `to` is excluded. */
export interface DeletedRange {
  topicId: string;
  partition: number;
  from: number;
  to: number;
}

export interface Verdict {
  counts: Record<string, number>;
  /** What breaks a promise, in words; empty when all hold. */
  violations: string[];
}

/** The invariants I1 to I4 of the test plan. */
export function checkHistory(history: History): Verdict {
  const { acked, topic, stored, deadLetters, positions, deleted, gone = [] } = history;
  const violations: string[] = [];
  const violated = (what: string, found: readonly unknown[]) => {
    if (found.length > 0) violations.push(`${what}: ${found.length}, such as ${JSON.stringify(found[0])}`);
  };
  const storedAt = new Map(stored.map(({ key }, at) => [key, at]));
  const inTopic = firstOf(topic);
  const { firstBodies, severalPlaces } = firstOfEachPartition(topic);
  const isDeleted = (place: Place) => deleted.some((range) => holds(range, place));
  const goneKeys = new Set(gone.map(({ event }) => event?.key));
  const goneBodies = new Set(gone.map(({ event }) => event?.json));
  const gonePlaces = new Set(gone.map((record) => `${placeOf(record)} ${record.event?.key}`));
  const isGone = (one: Acked) => gonePlaces.has(`${placeOf(one)} ${eventKey(one.eventId)}`);

  const lost = acked.filter((one) => !storedAt.has(eventKey(one.eventId)) && !isDeleted(one) && !isGone(one));
  violated('I1 acknowledged and not stored', lost);
  const receipts = new Map(topic.map((record) => [placeOf(record), record.event?.key]));
  violated(
    'I1 acknowledged and not where the receipt says',
    acked.filter((one) => receipts.get(placeOf(one)) !== eventKey(one.eventId) && !isGone(one)),
  );
  violated(
    'I1 in the topic and not stored',
    [...inTopic.values()].filter((record) => !storedAt.has(record.event!.key) && !isDeleted(record)),
  );
  const letters = new Set(deadLetters.map(placeOf));
  const junk = topic.filter(({ event }) => event === undefined);
  violated(
    'I1 no event and not among the dead letters',
    junk.filter((record) => !letters.has(placeOf(record)) && !isDeleted(record)),
  );
  const junkPlaces = new Set([...junk, ...gone.filter(({ event }) => event === undefined)].map(placeOf));
  violated(
    'I1 good events among the dead letters',
    deadLetters.filter((letter) => !junkPlaces.has(placeOf(letter))),
  );

  violated(
    'I2 stored twice',
    stored.filter(({ key }, at) => storedAt.get(key) !== at),
  );
  violated(
    'I2 stored and never in the topic',
    stored.filter(({ key }) => !inTopic.has(key) && !goneKeys.has(key)),
  );
  violated(
    'I2 stored with another body than the first',
    stored.filter(({ key, json }) => !firstBodies.get(key)?.has(json) && !goneBodies.has(json)),
  );

  violated('I2 counted other than stored', miscounted(history));

  // Of what was in the log before, the order may be that of then.
  const ordered = new Map([...inTopic].filter(([key]) => !goneKeys.has(key) && !severalPlaces.has(key)));
  const reordered = outOfOrder(ordered, storedAt);
  violated("I3 stored against the order of a user's partition", reordered);

  // An instance may have had some of it in its hands already.
  const unprocessed = topic.filter(
    (record) =>
      isDeleted(record) && !(record.event ? storedAt.has(record.event.key) : letters.has(placeOf(record))),
  );
  if (history.gone === undefined) violations.push(...unbalanced(history, unprocessed));
  return {
    counts: {
      acknowledged: acked.length,
      'in the topic': topic.length,
      stored: stored.length,
      duplicates: positions.reduce((sum, position) => sum + position.duplicates, 0),
      'dead-lettered': deadLetters.length,
      'deleted unprocessed': unprocessed.length,
      lost: lost.length,
      reordered: reordered.length,
    },
    violations,
  };
}

/**
 * I4: what the store has counted for each partition against what was in it.
 *
 * @param gone what was deleted before it was processed
 */
function unbalanced({ topic, stored, positions }: History, gone: readonly TopicRecord[]): string[] {
  const problems: string[] = [];
  for (const position of positions) {
    const { topicId, partition, offset, duplicates, deadLettered, lost } = position;
    const inPartition = (one: Omit<Place, 'offset'>) =>
      one.topicId === topicId && one.partition === partition;
    const records = topic.filter(inPartition).length;
    if (offset !== records) problems.push(`I4 partition ${partition} is at ${offset} of ${records}`);
    if (position.stored + duplicates + deadLettered + lost !== records) {
      problems.push(
        `I4 partition ${partition}: ${records} records, but ${position.stored} stored + ${duplicates} duplicates + ${deadLettered} dead-lettered + ${lost} lost`,
      );
    }
    const deleted = gone.filter(inPartition).length;
    if (lost !== deleted)
      problems.push(`I4 partition ${partition}: ${deleted} deleted, but ${lost} reported`);
  }
  const counted = positions.reduce((sum, position) => sum + position.stored, 0);
  if (counted !== stored.length) problems.push(`I4 ${counted} counted as stored, ${stored.length} stored`);
  return problems;
}

function holds(range: DeletedRange, { topicId, partition, offset }: Place): boolean {
  return (
    range.topicId === topicId && range.partition === partition && offset >= range.from && offset < range.to
  );
}

function placeOf({ topicId, partition, offset }: Place): string {
  return `${topicId} ${partition} ${offset}`;
}

function miscounted({ stored, counted: { users, total, distinct } }: History): string[] {
  const byUser = new Map(users.map(({ userId, events }) => [userId, events]));
  const found = [...Map.groupBy(stored, ({ userId }) => userId)]
    .filter(([userId, own]) => byUser.get(userId) !== own.length)
    .map(([userId, own]) => `${userId}: ${byUser.get(userId)} instead of ${own.length}`);
  if (total !== stored.length) found.push(`all: ${total} instead of ${stored.length}`);
  if (distinct[0] !== distinct[1]) found.push(`different values: ${distinct[0]} instead of ${distinct[1]}`);
  return found;
}

/** Two partitions have no order between them: of an event that is in both, the one stored may be either. */
function firstOfEachPartition(topic: readonly TopicRecord[]): {
  firstBodies: Map<string, Set<string>>;
  /** Keys of events that are in more than one partition. */
  severalPlaces: Set<string>;
} {
  const places = new Set<string>();
  const firstBodies = new Map<string, Set<string>>();
  const partitions = new Map<string, string>();
  const severalPlaces = new Set<string>();
  for (const { topicId, partition, event } of topic) {
    if (event === undefined) continue;
    const place = `${topicId} ${partition}`;
    if (places.has(`${place} ${event.key}`)) continue;
    places.add(`${place} ${event.key}`);
    firstBodies.set(event.key, (firstBodies.get(event.key) ?? new Set()).add(event.json));
    if ((partitions.get(event.key) ?? place) !== place) severalPlaces.add(event.key);
    partitions.set(event.key, place);
  }
  return { firstBodies, severalPlaces };
}

/** The first record of each event, by key. */
function firstOf(topic: readonly TopicRecord[]): Map<string, TopicRecord> {
  const first = new Map<string, TopicRecord>();
  for (const record of topic)
    if (record.event && !first.has(record.event.key)) first.set(record.event.key, record);
  return first;
}

/** Events of a user whose record comes later in its partition than one that was stored after it. */
function outOfOrder(
  inTopic: ReadonlyMap<string, TopicRecord>,
  storedAt: ReadonlyMap<string, number>,
): TopicRecord[] {
  const found: TopicRecord[] = [];
  const lastAt = new Map<string, number>();
  const records = [...inTopic.values()].sort(
    (a, b) => a.topicId.localeCompare(b.topicId) || a.partition - b.partition || a.offset - b.offset,
  );
  for (const record of records) {
    const user = `${record.topicId} ${record.partition} ${record.event!.userId}`;
    const at = storedAt.get(record.event!.key);
    if (at === undefined) continue;
    if (at < (lastAt.get(user) ?? -1)) found.push(record);
    lastAt.set(user, Math.max(at, lastAt.get(user) ?? -1));
  }
  return found;
}
