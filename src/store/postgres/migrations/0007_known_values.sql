-- Every user, event type and counted value of a payload there has ever been, once: what a search box offers is a range of them.
-- In the order of their bytes, which is the same in all databases, and in which all texts with one beginning are together.
create table known_values (
  dimension text collate "C" not null,
  value text collate "C" not null,
  primary key (dimension, value)
);
insert into known_values
  select dimension, value from value_counts group by dimension, value
  union all
  select 'eventType', event_type from event_counts group by event_type;
