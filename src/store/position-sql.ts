// SQL for positions shared by the SQL stores. Dialects differ in the name of the function for the larger number.

const COUNTED =
  'positions.stored + positions.duplicates + positions.dead_lettered + positions.without_record + positions.expired + positions.lost';
const PASSED =
  'case when positions.next_offset is null then 0 else positions.next_offset - coalesce(positions.start_offset, 0) end + positions.rewound';

/**
 * What a claim changes in an existing position. After a position was moved back by hand, more is counted than passed:
 * the difference will be passed again. One moved forward keeps showing the unaccounted offsets.
 */
export const RECLAIM = (larger: 'max' | 'greatest') => `
  epoch = positions.epoch + 1,
  start_offset = case when positions.next_offset is null then null else positions.start_offset end,
  rewound = positions.rewound + ${larger}(0, ${COUNTED} - (${PASSED}))`;

/**
 * True if the store holds no event although it has counted some and not removed them itself, or does not even know how
 * far it counted: its tables were emptied. Checks for the latest event, which is fast whatever was deleted before it.
 */
export const EVENTS_ARE_GONE = `(select max(seq) from events) is null
  and ((select coalesce(sum(stored), 0) from positions) > coalesce((select removed from counted_up_to), 0)
    or exists (select 1 from event_counts) or not exists (select 1 from counted_up_to))`;

const NO_EVENTS = 'where not exists (select 1 from events)';

/**
 * Resets everything derived from events that are gone; nothing while any event is left. The topic is then reread from
 * its start.
 */
export const FORGET_EVENTS = [
  `update positions set next_offset = null, start_offset = null, stored = 0, duplicates = 0, dead_lettered = 0,
     without_record = 0, expired = 0, lost = 0, rewound = 0, landmarks = '' ${NO_EVENTS}`,
  `delete from pending_values ${NO_EVENTS}`,
  `delete from event_counts ${NO_EVENTS}`,
  `delete from value_counts ${NO_EVENTS}`,
  `delete from distinct_counts ${NO_EVENTS}`,
  `delete from known_values ${NO_EVENTS}`,
  `delete from counted_up_to ${NO_EVENTS}`,
  `insert into counted_up_to (seq) select 0 ${NO_EVENTS}`,
];
