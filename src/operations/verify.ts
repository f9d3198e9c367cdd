// In: the log and the store. Out: the records of the log that the store does not account for.
import type { Catalog } from '../events/catalog.ts';
import { decodeEvent, isRejection } from '../events/event.ts';
import { recordKey } from '../events/event-ids.ts';
import { eventTimeMs } from '../events/event-time.ts';
import type { EventLog, LogRecord } from '../log/event-log.ts';
import { accounts, type PartitionTally } from '../processing/ledger.ts';
import { DAY_MS, type EventStore, HOUR_MS, type KeptDays, keeps } from '../store/event-store.ts';

interface VerifyOptions {
  log: Pick<EventLog, 'scan'>;
  store: Pick<EventStore, 'positions' | 'get' | 'deadLetters' | 'retention'>;
  catalog: Catalog;
  topic: string;
  group: string;
  /** Checks records whose timestamp (milliseconds since 1970) is from here to there; the end is excluded. */
  from: number;
  to: number;
  /** Called from time to time with the number of records checked. */
  progress?(records: number): void;
}

export interface MissingRecord {
  partition: number;
  offset: number;
  /** Undefined for a record that is not a valid event, which should be among the dead letters. */
  eventId: string | undefined;
}

export interface Verification {
  records: number;
  /** Records whose event is stored; both records of a duplicate count. */
  stored: number;
  deadLettered: number;
  /** Too old to be kept. */
  expired: number;
  /** Not processed yet: after the position of their partition. */
  inFlight: number;
  /** Processed according to the position, but neither stored nor dead-lettered. */
  missing: MissingRecord[];
  accounts: PartitionTally[];
}

/** Recomputes the ledger from every record of the log and what the store holds of it. */
export async function verify(options: VerifyOptions): Promise<Verification> {
  const { log, store, topic, group, from, to } = options;
  const positions = await store.positions(group, topic);
  const letters = await deadLetterOrigins(store, group, topic);
  const kept = await store.retention.keptDays();
  const result: Verification = {
    records: 0,
    stored: 0,
    deadLettered: 0,
    expired: 0,
    inFlight: 0,
    missing: [],
    accounts: accounts(positions),
  };
  for await (const { topicId, partition, records } of log.scan(topic)) {
    const position = positions.find((one) => one.topicId === topicId && one.partition === partition);
    const chosen = records.filter(({ timestamp }) => timestamp >= from && timestamp < to);
    const events = chosen.map((record) => ({ record, ...identityOf(record, options.catalog, kept) }));
    const keys = events.flatMap(({ key }) => (key === undefined ? [] : [key]));
    const stored = await store.get(keys);
    const removed = await store.retention.removedKeys(keys.filter((key) => !stored.has(key)));
    for (const { record, eventId, key, isKept } of events) {
      if (record.offset >= (position?.offset ?? 0)) result.inFlight++;
      else if (key !== undefined && stored.has(key)) result.stored++;
      else if (letters.has(`${partition}:${record.offset}`)) result.deadLettered++;
      else if (!isKept || (key !== undefined && removed.has(key))) result.expired++;
      else result.missing.push({ partition, offset: record.offset, eventId });
    }
    result.records += chosen.length;
    options.progress?.(result.records);
  }
  return result;
}

interface RecordIdentity {
  eventId?: string;
  key?: string;
  /** Whether an event, or a dead letter, of its age is kept. */
  isKept: boolean;
}

function identityOf(
  { value, headers, timestamp }: LogRecord,
  catalog: Catalog,
  kept: KeptDays,
): RecordIdentity {
  const decoded = decodeEvent(value, catalog);
  if (isRejection(decoded)) return { isKept: timestamp >= kept.others * DAY_MS };
  const { eventId, eventType } = decoded;
  const key = recordKey(eventId, headers);
  const hour = Math.floor(eventTimeMs(decoded.timestamp) / HOUR_MS);
  return { eventId, key, isKept: keeps(kept)({ key, eventId, eventType, hour }) };
}

async function deadLetterOrigins(
  store: VerifyOptions['store'],
  group: string,
  topic: string,
): Promise<Set<string>> {
  const origins = new Set<string>();
  let before = Number.MAX_SAFE_INTEGER;
  for (;;) {
    const page = await store.deadLetters(group, { limit: 1000, before });
    if (page.length === 0) return origins;
    for (const letter of page)
      if (letter.topic === topic) origins.add(`${letter.partition}:${letter.offset}`);
    before = page.at(-1)!.id;
  }
}
