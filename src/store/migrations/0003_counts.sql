-- Up Migration
create index events_by_user on events (user_id, seq);
create index events_by_type on events (event_type, seq);

-- Hours and days since 1970, UTC. The places tell where in `events` the events of an hour are.
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

-- What is stored already: by its timestamp, or, where another producer wrote that in a form of its own, by when it
-- was stored.
create temporary table counted on commit drop as
select seq, user_id, event_type, floor(extract(epoch from coalesce(
  substring(json from '"timestamp":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)"')::timestamptz, stored_at, now()
)) / 3600)::bigint as hour
from events;

insert into event_counts
select hour, event_type, count(*), min(seq), max(seq) from counted group by hour, event_type;
insert into value_counts (dimension, day, value, events)
select 'userId', floor(hour / 24.0), user_id, count(*) from counted group by 2, 3;
insert into distinct_counts select dimension, day, count(*) from value_counts group by dimension, day;
