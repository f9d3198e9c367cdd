import { eventKey } from '../../src/events/event.ts';
import { type Account, unbalanced } from './check-ledger.ts';
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
  /** What the topic holds, and what left it when it was processed and at offsets that were not used again. */
  topic: readonly TopicRecord[];
  stored: readonly { key: string; userId: string; json: string }[];
  deadLetters: readonly Place[];
  positions: readonly Account[];
  /** What the store has counted: events of each user, and different users and values by its count and its rows. */
  counted: {
    users: readonly { userId: string; events: number }[];
    total: number;
    distinct: [number, number];
  };
  /** What retention deleted before it was processed: reported as lost, unless an instance had it in its hands already. */
  deleted: readonly TopicRecord[];
  /**
   * What the topic held once and holds no more, because the plan put the log back to an earlier state or deleted it, or
   * emptied the store when it was too late to read it again: it may be stored, or not.
   */
  gone?: readonly TopicRecord[];
  /** What the log lost when it was put back, by the service's own word after it was processed: it must be stored. */
  rewritten?: readonly TopicRecord[];
  /** How many offsets of a partition were passed again because the log was put back; undefined where that is not known. */
  rewound?: readonly (Omit<Place, 'offset'> & { count: number | undefined })[];
  /** Where positions must stand. Whoever gives a history without them checks I4. */
  ends?: readonly Place[];
  /** Stored under positions that the plan has emptied. */
  uncounted?: number;
}

export interface Verdict {
  counts: Record<string, number>;
  /** What breaks a promise, in words; empty when all hold. */
  violations: string[];
}

/** The invariants I1 to I4 of the test plan. */
export function checkHistory(history: History): Verdict {
  const { acked, stored, deadLetters, positions, deleted, gone = [], rewritten = [] } = history;
  const violations: string[] = [];
  const violated = (what: string, found: readonly unknown[]) => {
    if (found.length > 0) violations.push(`${what}: ${found.length}, such as ${JSON.stringify(found[0])}`);
  };
  const storedAt = new Map(stored.map(({ key }, at) => [key, at]));
  const topic = [...history.topic, ...rewritten];
  const inTopic = firstOf(topic);
  const { firstBodies, severalPlaces } = firstOfEachPartition([...topic, ...deleted]);
  const deletedPlaces = new Set(deleted.map(placeAndKey));
  const isDeleted = (record: TopicRecord) => deletedPlaces.has(placeAndKey(record));
  const goneKeys = new Set(gone.map(({ event }) => event?.key));
  const goneBodies = new Set(gone.map(({ event }) => event?.json));
  const lostPlaces = new Set([...gone, ...deleted].map(placeAndKey));
  const isGone = (one: Acked) => lostPlaces.has(placeAndKey(toRecord(one)));

  const lost = acked.filter((one) => !storedAt.has(eventKey(one.eventId)) && !isGone(one));
  violated('I1 acknowledged and not stored', lost);
  const receipts = new Set(topic.map(placeAndKey));
  violated(
    'I1 acknowledged and not where the receipt says',
    acked.filter((one) => !receipts.has(placeAndKey(toRecord(one))) && !isGone(one)),
  );
  violated(
    'I1 acknowledged and stored as another event',
    acked.filter(({ eventId, json }) => {
      const at = storedAt.get(eventKey(eventId));
      return json !== undefined && at !== undefined && stored[at]!.json !== json;
    }),
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
  const everJunk = [...junk, ...[...gone, ...deleted].filter(({ event }) => event === undefined)];
  const junkPlaces = new Set(everJunk.map(placeOf));
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
    stored.filter(({ key }) => !firstBodies.has(key) && !goneKeys.has(key)),
  );
  violated(
    'I2 stored with another body than the first',
    stored.filter(({ key, json }) => !firstBodies.get(key)?.has(json) && !goneBodies.has(json)),
  );

  violated('I2 counted other than stored', miscounted(history));

  // Of what was in the log before, the order may be that of then.
  const isOfThen = new Set([...goneKeys, ...rewritten.map(({ event }) => event?.key), ...severalPlaces]);
  const ordered = new Map([...inTopic].filter(([key]) => !isOfThen.has(key)));
  const reordered = outOfOrder(ordered, storedAt);
  violated("I3 stored against the order of a user's partition", reordered);

  // An instance may have had some of it in its hands already.
  const unprocessed = deleted.filter((record) =>
    record.event ? !storedAt.has(record.event.key) : !letters.has(placeOf(record)),
  );
  if (history.ends !== undefined) violations.push(...unbalanced(history, unprocessed));
  return {
    counts: {
      acknowledged: acked.length,
      'in the topic': topic.length,
      stored: stored.length,
      duplicates: positions.reduce((sum, position) => sum + position.duplicates, 0),
      'dead-lettered': deadLetters.length,
      'deleted unprocessed': unprocessed.length,
      'lost with the log or the tables': acked.filter(
        (one) => !storedAt.has(eventKey(one.eventId)) && goneKeys.has(eventKey(one.eventId)),
      ).length,
      lost: lost.length,
      reordered: reordered.length,
    },
    violations,
  };
}

/** Offsets may be used again: only together with its event a place says which record it was. */
function placeAndKey(record: TopicRecord): string {
  return `${placeOf(record)} ${record.event?.key}`;
}

function toRecord({ eventId, userId, topicId, partition, offset }: Acked): TopicRecord {
  return { topicId, partition, offset, event: { key: eventKey(eventId), userId, json: '' } };
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
