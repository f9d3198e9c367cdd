alter table events
  add column partition integer,
  add column "offset" bigint,
  add column stored_at timestamptz,
  add column duplicates integer not null default 0,
  add column conflicts integer not null default 0;

alter table dead_letters add column event_key uuid;
create index concurrently dead_letters_by_event on dead_letters (event_key) where event_key is not null;
