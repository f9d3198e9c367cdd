import { encodeLandmarks } from '../../log/landmarks.ts';
import { type DatabaseSync, prepareQuery, type Query, type StatementSync } from '../../sqlite/sqlite-file.ts';
import {
  type BatchOutcome,
  type EventToStore,
  FencedError,
  isSameEvent,
  mergeOutcomes,
  type StoreBatch,
  type StoreOutcome,
} from '../event-store.ts';
import { EVENTS_ARE_GONE } from '../position-sql.ts';
import type { SqliteCounts } from './counts.ts';
import { keyBytes } from './keys.ts';

/** The sequence of the latest event there ever was: those of removed events are not given out again. */
export const LATEST_EVER = `max(coalesce((select max(seq) from events), 0),
  coalesce((select seq from counted_up_to where removed > 0), 0))`;

/** Writes batches, within a transaction of its caller. */
export class SqliteWriter {
  readonly #counts: SqliteCounts;
  readonly #get: Query<{ json: string }>;
  readonly #isGone: Query<object>;
  readonly #latest: Query<{ latest: number }>;
  readonly #move: StatementSync;
  readonly #insertEvent: StatementSync;
  readonly #noteRepeat: StatementSync;
  readonly #insertDeadLetter: StatementSync;
  readonly #count: StatementSync;

  constructor(db: DatabaseSync, counts: SqliteCounts) {
    this.#counts = counts;
    this.#get = prepareQuery(db, 'select json from events where event_key = ?');
    this.#isGone = prepareQuery(db, 'select 1 from gone_events where event_key = ?');
    this.#latest = prepareQuery(db, `select ${LATEST_EVER} as latest`);
    this.#move = db.prepare(
      `update positions set next_offset = ? where consumer_group = ? and topic = ? and topic_id = ? and partition = ?
       and epoch = ? and next_offset is ? and rewound = ? and not (${EVENTS_ARE_GONE})`,
    );
    this.#insertEvent = db.prepare(
      `insert into events (seq, event_key, user_id, event_type, json, partition, offset, stored_at, hour, happened_at)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing`,
    );
    this.#noteRepeat = db.prepare(
      'update events set duplicates = duplicates + 1, conflicts = conflicts + ? where event_key = ?',
    );
    this.#insertDeadLetter = db.prepare(
      `insert into dead_letters (consumer_group, topic, topic_id, partition, offset, digest, reason, detail, attempt,
         set_aside_at, dlt_partition, dlt_offset, event_key)
       values (:group, :topic, :topicId, :partition, :offset, :digest, :reason, :detail, :attempt, :deadLetteredAt,
         :deadLetterPartition, :deadLetterOffset, :key)
       on conflict do update
         set dlt_partition = excluded.dlt_partition, dlt_offset = excluded.dlt_offset`,
    );
    this.#count = db.prepare(
      `update positions set stored = stored + :stored, duplicates = duplicates + :duplicates,
         dead_lettered = dead_lettered + :deadLettered, start_offset = coalesce(start_offset, :startOffset),
         without_record = without_record + :withoutRecord, expired = expired + :expired, lost = lost + :lost,
         rewound = rewound + :rewound, landmarks = :landmarks
       where consumer_group = :group and topic = :topic and topic_id = :topicId and partition = :partition`,
    );
  }

  /** @throws FencedError */
  write(batches: readonly StoreBatch[]): StoreOutcome {
    return mergeOutcomes(batches.map((batch) => this.#writeOne(batch)));
  }

  #writeOne(batch: StoreBatch): BatchOutcome {
    const { group, topic, topicId, partition, nextOffset, deadLetters } = batch;
    const held = [batch.epoch, batch.fromOffset, batch.fromRewound];
    const moved = this.#move.run(nextOffset, group, topic, topicId, partition, ...held).changes;
    if (moved === 0) throw new FencedError(batch);
    const storedAt = Date.now();
    let conflicts = 0;
    const fresh: EventToStore[] = [];
    const expired: string[] = [];
    let { latest } = this.#latest.get()!;
    const stored = batch.events.map((event) => {
      const { key, userId, eventType, json, offset } = event;
      const id = keyBytes(key);
      if (this.#isGone.get(id) !== undefined) {
        expired.push(key);
        return false;
      }
      const origin = [partition, offset, storedAt, event.hour, event.time];
      const { changes } = this.#insertEvent.run(latest + 1, id, userId, eventType, json, ...origin);
      if (changes === 1) {
        fresh.push(event);
        latest++;
        return true;
      }
      const conflict = !isSameEvent(this.#get.get(id)!.json, json);
      this.#noteRepeat.run(conflict ? 1 : 0, id);
      if (conflict) conflicts++;
      return false;
    });
    this.#counts.addValues(fresh, latest);
    const where = { group, topic, topicId, partition };
    for (const letter of deadLetters) {
      const { key, deadLetteredAt } = letter;
      this.#insertDeadLetter.run({
        ...where,
        ...letter,
        deadLetteredAt: deadLetteredAt.toISOString(),
        key: key && keyBytes(key),
      });
    }
    const storedCount = stored.filter(Boolean).length;
    this.#count.run({
      ...where,
      stored: storedCount,
      duplicates: stored.length - storedCount - expired.length,
      expired: batch.expired + expired.length,
      deadLettered: deadLetters.length,
      startOffset: batch.startOffset,
      withoutRecord: batch.withoutRecord,
      lost: batch.lost,
      rewound: batch.rewound,
      landmarks: encodeLandmarks(batch.landmarks),
    });
    return { stored, conflicts, expired };
  }
}
