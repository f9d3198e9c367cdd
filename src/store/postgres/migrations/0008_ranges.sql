-- Up Migration
-- What is read in the order of storing between two times is merged from its hours. Who cannot let storing wait until these
-- are built makes them beforehand, with `create index concurrently` (docs/postgresql.md).
create index if not exists events_by_hour on events ((happened_at / 3600000), seq);

create index if not exists dead_letters_by_group on dead_letters (consumer_group, seq);
create index if not exists dead_letters_by_reason on dead_letters (consumer_group, reason, seq);
create index if not exists dead_letters_waiting on dead_letters (consumer_group, seq) where redriven_at is null;
create index if not exists dead_letters_waiting_by_reason on dead_letters (consumer_group, reason, seq) where redriven_at is null;
