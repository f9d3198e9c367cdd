// What makes tables of this version into those before retention.

const TABLES = `
  drop table kept_from;
  drop table gone_events;
  alter table positions drop column expired;
  alter table counted_up_to drop column removed;`;

export const WITHOUT_RETENTION_IN_POSTGRES = `${TABLES}
  delete from footfall_migrations where name = '0009_retention';`;

export const WITHOUT_RETENTION_IN_SQLITE = `${TABLES}
  update schema_versions set version = 8 where name = 'store';`;
