-- Hours and days since 1970, UTC. What was stored before this is counted at the hour of its storing.
alter table events add column hour bigint;
create index concurrently events_by_user on events (user_id, seq);
create index concurrently events_by_type on events (event_type, seq);

-- The events up to this place are in the counts below.
create table counted_up_to (seq bigint not null);
insert into counted_up_to values (0);

-- Values of payloads by batch, at the place of its last event, until they are in `value_counts`.
create table pending_values (
  seq bigint not null,
  dimension text not null,
  day integer not null,
  value text not null,
  events bigint not null
);
create index pending_values_by_seq on pending_values (seq);

-- The places tell where in `events` the events of an hour are.
create table event_counts (
  hour bigint not null,
  event_type text not null,
  events bigint not null,
  first_seq bigint not null,
  last_seq bigint not null,
  primary key (hour, event_type)
);

-- `level` is the only indexed column that changes, and it changes only each time `events` has doubled.
create table value_counts (
  dimension text not null,
  day integer not null,
  value text not null,
  events bigint not null,
  level smallint not null generated always as (floor(ln(events::float8) / ln(2::float8))::smallint) stored,
  primary key (dimension, day, value)
) with (fillfactor = 80);
create index value_counts_by_level on value_counts (dimension, day, level);

create table distinct_counts (
  dimension text not null,
  day integer not null,
  distinct_values bigint not null,
  primary key (dimension, day)
);
