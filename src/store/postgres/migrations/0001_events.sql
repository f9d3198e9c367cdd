create table events (
  seq bigint generated always as identity primary key,
  event_key uuid not null unique,
  user_id text not null,
  event_type text not null,
  json text not null
);

create table positions (
  consumer_group text not null,
  topic text not null,
  topic_id text not null,
  partition integer not null,
  epoch bigint not null,
  next_offset bigint,
  stored bigint not null default 0,
  duplicates bigint not null default 0,
  dead_lettered bigint not null default 0,
  start_offset bigint,
  without_record bigint not null default 0,
  lost bigint not null default 0,
  primary key (consumer_group, topic, topic_id, partition)
);

create table dead_letters (
  seq bigint generated always as identity primary key,
  consumer_group text not null,
  topic text not null,
  topic_id text not null,
  partition integer not null,
  "offset" bigint not null,
  reason text not null,
  detail text not null,
  attempt integer not null,
  set_aside_at timestamptz not null,
  redriven_at timestamptz,
  dlt_partition integer not null,
  dlt_offset bigint not null,
  unique (consumer_group, topic_id, partition, "offset")
);
