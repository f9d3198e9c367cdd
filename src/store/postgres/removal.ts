import { HOURS_A_DAY, TYPE_DIMENSION, USER_DIMENSION } from '../event-store.ts';
import { HOUR } from './counts.ts';

const DAY = `floor(hour / ${HOURS_A_DAY}.0)::integer`;

/**
 * Removes events, and what was counted of them. A value that was not counted when its event was stored, by the settings of
 * then, is left alone. Run with the row of `counted_up_to` locked.
 */
export const REMOVE = `
with removed as (
  delete from events e using unnest($1::bigint[]) as given (seq)
  where e.seq = given.seq and e.seq <= (select seq from counted_up_to)
  returning e.seq, e.event_type, e.user_id, ${HOUR} as hour
), hours as (
  select hour, event_type, count(*) as events from removed group by hour, event_type
), taken_hours as (
  update event_counts c set events = c.events - h.events
  from hours h where c.hour = h.hour and c.event_type = h.event_type and c.events > h.events
), dropped_hours as (
  delete from event_counts c using hours h
  where c.hour = h.hour and c.event_type = h.event_type and c.events <= h.events
  returning c.event_type
), valued as (
  select dimension, day, value, count(*) as events from (
    select '${USER_DIMENSION}', ${DAY}, user_id from removed
    union all
    select v.dimension, ${DAY}, v.value
    from removed join unnest($2::bigint[], $3::text[], $4::text[]) as v (seq, dimension, value) using (seq)
  ) as one (dimension, day, value) group by dimension, day, value
), taken_values as (
  update value_counts c set events = c.events - v.events
  from valued v where c.dimension = v.dimension and c.day = v.day and c.value = v.value and c.events > v.events
), dropped_values as (
  delete from value_counts c using valued v
  where c.dimension = v.dimension and c.day = v.day and c.value = v.value and c.events <= v.events
  returning c.dimension, c.day, c.value
), days as (
  select dimension, day, count(*) as dropped from dropped_values group by dimension, day
), taken_days as (
  update distinct_counts c set distinct_values = c.distinct_values - d.dropped
  from days d where c.dimension = d.dimension and c.day = d.day and c.distinct_values > d.dropped
), dropped_days as (
  delete from distinct_counts c using days d
  where c.dimension = d.dimension and c.day = d.day and c.distinct_values <= d.dropped
), noted as (
  update counted_up_to set removed = removed + (select count(*) from removed)
), dropped as (
  select dimension, value from dropped_values
  union
  select '${TYPE_DIMENSION}', event_type from dropped_hours
)
select (select count(*) from removed) as removed, array(select dimension from dropped order by dimension, value) as dimensions,
  array(select value from dropped order by dimension, value) as dropped`;

/** Of values that some day or hour has no more, forgets those that none has. Looks into each day: within it, they are in order. */
export const FORGET_VALUES = `
delete from known_values k using unnest($1::text[], $2::text[]) as d (dimension, value)
where k.dimension = d.dimension and k.value = d.value
  and not exists (
    select from distinct_counts c join value_counts v on v.dimension = c.dimension and v.day = c.day and v.value = d.value
    where c.dimension = d.dimension)
  and not exists (select from event_counts h where d.dimension = '${TYPE_DIMENSION}' and h.event_type = d.value)`;
