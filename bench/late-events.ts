import { HOUR_MS } from '../src/store/event-store.ts';

/** Of the events, had none come late. */
export const FIRST_HOUR = 472_222;

/**
 * Two types that came often, one of them only at first, and one that came three times; one user of every twentieth event; and
 * of fifty events one that came up to thirty days late.
 *
 * @param hours that they are spread over
 */
export function lateEvents(count: number, hours: number): string[] {
  const text = `
insert into events (event_key, user_id, event_type, json, hour, happened_at)
select gen_random_uuid(), user_id, event_type, '{}', happened_at / ${HOUR_MS}, happened_at from (
  select n, case when n % 20 = 0 then 'heavy' else 'user-' || n % 5000 end as user_id,
    case when n % ${Math.floor(count / 3)} = 7 then 'RARE' when n < ${count / 10} then 'OLD' else 'NEW' end as event_type,
    ${FIRST_HOUR * HOUR_MS} + n::bigint * ${hours * HOUR_MS} / ${count} - case when n % 50 = 0 then n::bigint * 7919 % 720 * ${HOUR_MS} else 0 end as happened_at
  from generate_series(1, ${count}) as n
) as made;
insert into event_counts
  select hour, event_type, count(*), min(seq), max(seq) from events group by hour, event_type;
insert into value_counts (dimension, day, value, events)
  select 'userId', hour / 24, user_id, count(*) from events group by 2, 3;
insert into distinct_counts select dimension, day, count(*) from value_counts group by 1, 2;
insert into known_values select distinct dimension, value from value_counts;
update counted_up_to set seq = (select max(seq) from events);
insert into dead_letters (consumer_group, topic, topic_id, partition, "offset", reason, detail, attempt, set_aside_at,
  redriven_at, dlt_partition, dlt_offset, event_key)
select case when n % 2 = 0 then 'group' else 'other' end, 't', 'i', 0, n,
  case when n % 5000 = 2 then 'rare' when n % 4 = 0 then 'solved' else 'frequent' end, '', 1, now(),
  case when n % 4 = 0 or n > 3000 then now() end, 0, n, gen_random_uuid()
from generate_series(1, 20000) as n;
vacuum analyze`;
  return text.split(';');
}
