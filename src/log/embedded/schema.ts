/** Migrations of the log's tables, in order; their number is the version. */
export const LOG_SCHEMA = [
  `create table log_topics (
     id integer primary key,
     name text not null unique,
     topic_id text not null,
     partitions integer not null
   ) strict;
   create table log_records (
     topic integer not null references log_topics,
     partition integer not null,
     offset integer not null,
     timestamp integer not null,
     key blob,
     value blob,
     headers text not null,
     primary key (topic, partition, offset)
   ) strict, without rowid;`,
];
