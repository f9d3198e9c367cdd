-- Offsets come back when a log is written again: what was set aside there before is another record.
alter table dead_letters
  add column digest text not null default '',
  drop constraint dead_letters_consumer_group_topic_id_partition_offset_key,
  add unique (consumer_group, topic_id, partition, "offset", digest);
