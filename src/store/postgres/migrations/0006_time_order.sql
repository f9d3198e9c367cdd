-- When an event happened, by its own timestamp: milliseconds since 1970.
alter table events add column happened_at bigint;

-- Written once, without leaving the old rows behind as an update would. A time without a zone is in UTC. Put together from
-- parts, because PostgreSQL takes fewer zones than ISO 8601 has, and a day that does not exist must not stop the start.
alter table events alter column happened_at type bigint using coalesce(
  round(extract(epoch from
    (substring(json from '"timestamp":"(\d{4}-\d\d)-\d\d[Tt]') || '-01')::timestamp
    + (substring(json from '"timestamp":"\d{4}-\d\d-(\d\d)[Tt]')::integer - 1) * interval '1 day'
    + substring(json from '"timestamp":"\d{4}-\d\d-\d\d[Tt](\d\d:\d\d:\d\d(?:\.\d{1,3})?)')::interval
    - coalesce(substring(json from '"timestamp":"[^"]*([+-]\d\d:\d\d)"'), '00:00')::interval
  ) * 1000)::bigint,
  hour * 3600000,
  round(extract(epoch from stored_at) * 1000)::bigint,
  0
);

-- An instance of an earlier version, which does not know the column, must not store events that order of time would miss.
alter table events alter column happened_at set not null;

create index concurrently events_by_time on events (happened_at, seq);
create index concurrently events_by_user_and_time on events (user_id, happened_at, seq);
create index concurrently events_by_type_and_time on events (event_type, happened_at, seq);
