-- Compatible from 0008_ranges: earlier versions store as before; they do not know what was removed, so nothing is removed until
-- somebody sets RETENTION_DAYS, which they do not know either.
-- The first day that is kept, in days since 1970, UTC. The type '' stands for all that have no row of their own. Claims are
-- rejected when a day moves, so that whoever stores knows the days.
create table kept_from (
  event_type text collate "C" primary key,
  first_day integer not null
);
-- Keys of removed events, apart from ids that show by themselves that they are older than all that is kept (UUIDv7).
create table gone_events (event_key uuid primary key);
-- Events that were removed, of all that `positions` counts as stored.
alter table counted_up_to add column removed bigint not null default 0;
-- Records whose events were too old to be stored.
alter table positions add column expired bigint not null default 0;
