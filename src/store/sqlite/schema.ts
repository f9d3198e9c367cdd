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

/**
 * As in `migrations/0003_counts.sql`, where it is explained. The places of users' events are kept beside the counts: an
 * index updated with every event would write a page for each.
 */
const COUNTS = `
alter table events add column hour integer;
create index events_by_type on events (event_type);
create table user_events (
  user_id text not null,
  seq integer not null,
  primary key (user_id, seq)
) strict, without rowid;
create table counted_up_to (seq integer not null) strict;
insert into counted_up_to values (0);
create table pending_values (
  seq integer not null,
  dimension text not null,
  day integer not null,
  value text not null,
  events integer not null
) strict;
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
) strict, without rowid;`;

/** As in `migrations/0004_landmarks.sql`. */
const LANDMARKS = `
alter table positions add column rewound integer not null default 0;
alter table positions add column landmarks text not null default '';`;

/** As in `migrations/0005_dead_letter_digest.sql`. A constraint can only be dropped with its table. */
const DEAD_LETTER_DIGEST = `
create table dead_letters_with_digest (
  seq integer primary key,
  consumer_group text not null,
  topic text not null,
  topic_id text not null,
  partition integer not null,
  offset integer not null,
  digest text not null,
  reason text not null,
  detail text not null,
  attempt integer not null,
  set_aside_at text not null,
  redriven_at text,
  dlt_partition integer not null,
  dlt_offset integer not null,
  event_key blob,
  unique (consumer_group, topic_id, partition, offset, digest)
) strict;
insert into dead_letters_with_digest
  select seq, consumer_group, topic, topic_id, partition, offset, '', reason, detail, attempt, set_aside_at, redriven_at,
    dlt_partition, dlt_offset, event_key
  from dead_letters;
drop table dead_letters;
alter table dead_letters_with_digest rename to dead_letters;
create index dead_letters_by_event on dead_letters (event_key) where event_key is not null;`;

/**
 * As in `migrations/0006_time_order.sql`. The places of users' events are kept beside the counts, like those by sequence.
 * Indexes of a table with rowids end with the rowid.
 */
const TIME_ORDER = `
alter table events add column happened_at integer;
update events set happened_at = coalesce(event_time(json), hour * 3600000, stored_at, 0);
create index events_by_time on events (happened_at);
create index events_by_type_and_time on events (event_type, happened_at);
create table user_times (
  user_id text not null,
  happened_at integer not null,
  seq integer not null,
  primary key (user_id, happened_at, seq)
) strict, without rowid;
insert into user_times
  select user_id, happened_at, seq from events where seq <= (select max(seq) from counted_up_to) order by 1, 2, 3;`;

/** As in `migrations/0007_known_values.sql`, where it is explained. */
const KNOWN_VALUES = `
create table known_values (
  dimension text not null,
  value text not null,
  primary key (dimension, value)
) strict, without rowid;
insert into known_values select distinct dimension, value from value_counts order by 1, 2;
insert into known_values select distinct 'eventType', event_type from event_counts;`;

/** As in `migrations/0008_ranges.sql`. */
const RANGES = `
create index if not exists events_by_hour on events (happened_at / 3600000);
create index if not exists dead_letters_by_group on dead_letters (consumer_group);
create index if not exists dead_letters_by_reason on dead_letters (consumer_group, reason);
create index if not exists dead_letters_waiting on dead_letters (consumer_group) where redriven_at is null;
create index if not exists dead_letters_waiting_by_reason on dead_letters (consumer_group, reason) where redriven_at is null;`;

/** As in `migrations/0009_retention.sql`, where it is explained. */
const RETENTION = `
create table kept_from (
  event_type text primary key,
  first_day integer not null
) strict, without rowid;
create table gone_events (event_key blob primary key) strict, without rowid;
alter table counted_up_to add column removed integer not null default 0;
alter table positions add column expired integer not null default 0;`;

/** Steps to the schema of the store, in order. */
export const STORE_SCHEMA = [
  EVENTS,
  EVENT_ORIGIN,
  COUNTS,
  LANDMARKS,
  DEAD_LETTER_DIGEST,
  TIME_ORDER,
  KNOWN_VALUES,
  RANGES,
  RETENTION,
];
