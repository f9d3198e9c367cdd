const EVENTS = `
create table events (
  seq integer primary key,
  event_key blob not null unique,
  user_id text not null,
  event_type text not null,
  json text not null
) strict;
create table positions (
  consumer_group text not null,
  topic text not null,
  topic_id text not null,
  partition integer not null,
  epoch integer not null,
  next_offset integer,
  stored integer not null default 0,
  duplicates integer not null default 0,
  dead_lettered integer not null default 0,
  start_offset integer,
  without_record integer not null default 0,
  lost integer not null default 0,
  primary key (consumer_group, topic, topic_id, partition)
) strict, without rowid;
create table dead_letters (
  seq integer primary key,
  consumer_group text not null,
  topic text not null,
  topic_id text not null,
  partition integer not null,
  offset integer not null,
  reason text not null,
  detail text not null,
  attempt integer not null,
  set_aside_at text not null,
  redriven_at text,
  dlt_partition integer not null,
  dlt_offset integer not null,
  unique (consumer_group, topic_id, partition, offset)
) strict;`;

const EVENT_ORIGIN = `
alter table events add column partition integer;
alter table events add column offset integer;
alter table events add column stored_at integer;
alter table events add column duplicates integer not null default 0;
alter table events add column conflicts integer not null default 0;
alter table dead_letters add column event_key blob;
create index dead_letters_by_event on dead_letters (event_key) where event_key is not null;`;

/** As in `migrations/0003_counts.sql`, where it is explained. */
const COUNTS = `
create index events_by_user on events (user_id);
create index events_by_type on events (event_type);
create table event_counts (
  hour integer not null,
  event_type text not null,
  events integer not null,
  first_seq integer not null,
  last_seq integer not null,
  primary key (hour, event_type)
) strict, without rowid;
create table value_counts (
  dimension text not null,
  day integer not null,
  value text not null,
  events integer not null,
  level integer not null generated always as (cast(log2(events) as integer)) stored,
  primary key (dimension, day, value)
) strict, without rowid;
create index value_counts_by_level on value_counts (dimension, day, level);
create table distinct_counts (
  dimension text not null,
  day integer not null,
  distinct_values integer not null,
  primary key (dimension, day)
) strict, without rowid;
create temporary table counted as
select seq, user_id, event_type, cast(floor(coalesce(
  unixepoch(substr(json, instr(json, '"timestamp":"') + 13, 24)), stored_at / 1000, unixepoch()
) / 3600.0) as integer) as hour from events;
insert into event_counts
select hour, event_type, count(*), min(seq), max(seq) from counted group by hour, event_type;
insert into value_counts (dimension, day, value, events)
select 'userId', cast(floor(hour / 24.0) as integer), user_id, count(*) from counted group by 2, 3;
insert into distinct_counts select dimension, day, count(*) from value_counts group by dimension, day;
drop table counted;`;

/** Steps to the schema of the store, in order. */
export const STORE_SCHEMA = [EVENTS, EVENT_ORIGIN, COUNTS];
