/**
 * A writer tells readers that events at lower sequences may still appear, by an advisory lock that it holds from before it
 * gets its first sequence until what it stored is visible. Advisory locks belong to the database, so the upper 32 bits of
 * the key identify the sequence object: each schema has its own. The lower 32 bits are those of a sequence number that is
 * below everything the writer stores.
 */
const SEQUENCE = 'events_seq_seq';
const LAST = '(last_value - (not is_called)::integer)';
/** Takes a lock, in a statement or transaction that stores events. */
export const LOCK_AS_WRITER = `pg_advisory_xact_lock_shared(
  (select (tableoid::bigint << 32) | (${LAST} & 4294967295) from ${SEQUENCE}))`;

/**
 * True if sequence numbers are given out a second time: the sequence was set back, or is another one, as on a logical
 * replica, to which sequences are not copied. Readers that have passed those numbers would miss the new events.
 */
export const SEQUENCE_IS_BEHIND = `(select ${LAST} from ${SEQUENCE})
  < greatest((select max(seq) from events), (select seq from counted_up_to))`;

/** Call while no one stores: the sequence must not move between question and answer. */
export const MOVE_SEQUENCE = [
  'lock table events in share row exclusive mode',
  `select setval('${SEQUENCE}', greatest((select max(seq) from events), (select seq from counted_up_to), last_value))
     as sequence from ${SEQUENCE} where ${SEQUENCE_IS_BEHIND}`,
];

export const MAY_NOT_MOVE = `the sequence ${SEQUENCE} is behind the stored events, as on a former logical replica, and this role may not move it: GRANT UPDATE ON SEQUENCE ${SEQUENCE} TO it`;

/** The last sequence number given out. Do not ask a replica: it does not have the locks. */
export const LAST_SEQUENCE = `select ${LAST} as sequence, pg_is_in_recovery() as "isReplica" from ${SEQUENCE}`;

export const IS_REPLICA =
  'the database is a replica, which does not show who is writing: let DATABASE_URL lead to the primary, and DATABASE_READ_URL to this one';

/** The locks of active writers. */
export const WRITERS = `
select array_agg(objid::bigint)::text[] as locks from pg_locks
where locktype = 'advisory' and objsubid = 1 and granted and classid = '${SEQUENCE}'::regclass
  and database = (select oid from pg_database where datname = current_database())`;

/**
 * @param lock the lower 32 bits of a sequence
 * @param last a sequence at most 2^31 away from it: no writer is active while that many are given out
 * @returns the sequence
 */
export function sequenceOf(lock: string, last: number): number {
  return last + ((Number(lock) - last) | 0);
}
