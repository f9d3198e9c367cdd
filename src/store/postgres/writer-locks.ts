/**
 * Who writes tells readers that events at sequences before others are still to come, with an advisory lock that it holds
 * from before it gets its first sequence until what it stored can be seen. Advisory locks belong to the database, so the
 * upper half of the 64 bits is the sequence that gives out the sequences: other schemas have others. Below it are the lower
 * 32 bits of a sequence that all it stores comes after.
 */
const SEQUENCE = 'events_seq_seq';
const LAST = '(last_value - (not is_called)::integer)';
/** Takes a lock, in a statement or transaction that stores events. */
export const LOCK_AS_WRITER = `pg_advisory_xact_lock_shared(
  (select (tableoid::bigint << 32) | (${LAST} & 4294967295) from ${SEQUENCE}))`;

/**
 * True when numbers are given out again that events had: where the sequence was set back, or is another one, as on a logical
 * replica, to which sequences are not copied. Readers that have passed those numbers would not see what gets them.
 */
export const SEQUENCE_IS_BEHIND = `(select ${LAST} from ${SEQUENCE})
  < greatest((select max(seq) from events), (select seq from counted_up_to))`;

/** While nobody stores: between the question and the answer the sequence must not move. */
export const MOVE_SEQUENCE = [
  'lock table events in share row exclusive mode',
  `select setval('${SEQUENCE}', greatest((select max(seq) from events), (select seq from counted_up_to), last_value))
     as sequence from ${SEQUENCE} where ${SEQUENCE_IS_BEHIND}`,
];

export const MAY_NOT_MOVE = `the sequence ${SEQUENCE} is behind the stored events, as on a former logical replica, and this role may not move it: GRANT UPDATE ON SEQUENCE ${SEQUENCE} TO it`;

/** The last sequence number given out. Do not ask a replica: it does not have the locks. */
export const LAST_SEQUENCE = `select ${LAST} as sequence, pg_is_in_recovery() as "isReplica" from ${SEQUENCE}`;

export const IS_REPLICA =
  'the database is a replica, which does not show who is writing: let DATABASE_URL lead to the primary, for reading, too';

/** The locks of active writers. */
export const WRITERS = `
select array_agg(objid::bigint)::text[] as locks from pg_locks
where locktype = 'advisory' and objsubid = 1 and granted and classid = '${SEQUENCE}'::regclass
  and database = (select oid from pg_database where datname = current_database())`;

/**
 * @param lock the lower 32 bits of a sequence
 * @param last a sequence at most 2^31 before it or behind it: nobody writes while so many are given out
 * @returns the sequence
 */
export function sequenceOf(lock: string, last: number): number {
  return last + ((Number(lock) - last) | 0);
}
