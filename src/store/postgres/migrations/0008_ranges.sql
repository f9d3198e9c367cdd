-- What is read in the order of storing between two times is merged from its hours.
create index concurrently events_by_hour on events ((happened_at / 3600000), seq);

create index concurrently dead_letters_by_group on dead_letters (consumer_group, seq);
create index concurrently dead_letters_by_reason on dead_letters (consumer_group, reason, seq);
create index concurrently dead_letters_waiting on dead_letters (consumer_group, seq) where redriven_at is null;
create index concurrently dead_letters_waiting_by_reason on dead_letters (consumer_group, reason, seq) where redriven_at is null;
