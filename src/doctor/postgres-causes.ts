import type { KnownCause } from './finding.ts';

/** The first that fits counts. */
export const POSTGRES_CAUSES: readonly KnownCause[] = [
  {
    code: 'postgres_password',
    said: /password authentication failed|has no password|no PostgreSQL user name|client password/,
    cause: 'PostgreSQL does not accept user and password',
    next: 'Correct them in DATABASE_URL, or set the password with ALTER ROLE … PASSWORD …',
  },
  {
    code: 'postgres_hba',
    said: /pg_hba\.conf|is not permitted to log in|permission denied for database/,
    cause: 'PostgreSQL does not let this user in from here',
    next: 'Add a line to pg_hba.conf, or GRANT CONNECT ON DATABASE … TO it',
  },
  {
    code: 'postgres_database_missing',
    said: /database ".*" does not exist/,
    cause: 'There is no such database',
    next: 'Create it with CREATE DATABASE …, or correct DATABASE_URL',
  },
  {
    code: 'postgres_tls',
    said: /SSL|certificate|sslmode|sslrootcert/,
    cause: 'No TLS connection to PostgreSQL can be made',
  },
  {
    code: 'postgres_pooler',
    said: /unsupported startup parameter|does not reach the database/,
    cause: 'A pooler in between drops settings',
  },
  {
    code: 'postgres_connections',
    said: /too many (clients|connections)|connection slots|max_client_conn|max_connections =|all connections of the pool/,
    cause: 'PostgreSQL has no connection left',
    next: 'Raise max_connections, lower DATABASE_POOL_SIZE, or put a pooler in front',
  },
  {
    code: 'postgres_starting',
    said: /the database system is|terminating connection/,
    cause: 'PostgreSQL is starting or stopping',
    next: 'Wait until its log says that it accepts connections; events wait in the log meanwhile',
  },
  {
    code: 'postgres_replica',
    said: /is a replica/,
    cause: 'DATABASE_URL leads to a replica',
    next: 'Let it lead to the primary, for example with target_session_attrs=read-write',
  },
  {
    code: 'postgres_read_only',
    said: /read-only transaction/,
    cause: 'The database takes no writes',
    next: 'Set default_transaction_read_only = off, or let DATABASE_URL lead to the primary',
  },
  {
    code: 'postgres_migrations_missing',
    said: /lacks the migrations/,
    cause: 'The tables are of an earlier Footfall, and DATABASE_MIGRATE=off',
    next: 'Run footfall migrate of this version as the owner of the tables',
  },
  {
    code: 'postgres_index',
    said: /^index \w+ is (missing|INVALID|being built)/,
    cause: 'An index is missing, or was not built to its end',
    next: 'Wait for whoever builds it, or run footfall migrate as the owner of the tables',
  },
  {
    code: 'postgres_newer',
    said: /of a newer Footfall/,
    cause: 'The tables are of a newer Footfall',
    next: 'Install that version or a later one; this one would damage what it does not know',
  },
  {
    code: 'postgres_tables_gone',
    said: /the tables .* are gone/,
    cause: 'Some tables were dropped',
  },
  {
    code: 'postgres_foreign_table',
    said: /that no migration of Footfall made/,
    cause: 'Another program has a table of the same name',
  },
  {
    code: 'postgres_schema',
    said: /search_path/,
    cause: 'The search path leads to no schema of its own',
  },
  {
    code: 'postgres_rights',
    said: /permission denied for|must be owner/,
    cause: 'This user lacks a right on the tables',
    next: 'Grant it: docs/postgresql.md lists the rights; footfall migrate makes tables as another user',
  },
  {
    code: 'postgres_locked',
    said: /is locked by|waits.* to lock it|was not free within/,
    cause: 'Somebody has locked a table',
    next: 'End that transaction: select pg_terminate_backend(…) with the process, or ROLLBACK PREPARED …',
  },
  {
    code: 'postgres_disk_full',
    said: /could not extend|No space left|disk full/i,
    cause: 'The disk of PostgreSQL is full',
    next: 'Free space there; events wait in the log meanwhile',
  },
  {
    code: 'postgres_unfit',
    said: /is not PostgreSQL|is too old|has the encoding|advisory locks|in chunks/,
    cause: 'This database cannot keep what Footfall promises',
  },
  { code: 'postgres_clock', said: /^the clock of PostgreSQL/, cause: 'Two clocks differ' },
  {
    code: 'postgres_durability',
    said: /^(fsync|synchronous_commit) is off/,
    cause: 'A crash of PostgreSQL loses what it has confirmed',
    next: 'Set fsync = on and synchronous_commit = on, then reload PostgreSQL',
  },
  { code: 'postgres_idle_transaction', said: /idle transaction open/, cause: 'A transaction was left open' },
  {
    code: 'postgres_name_unknown',
    said: /ENOTFOUND|EAI_AGAIN/,
    cause: 'The name of the database server is unknown',
    next: 'Correct the host in DATABASE_URL, or the DNS of this machine',
  },
  {
    code: 'postgres_refused',
    said: /ECONNREFUSED|ENOENT/,
    cause: 'Nothing listens at the address of PostgreSQL',
    next: 'Start PostgreSQL, or correct host and port in DATABASE_URL',
  },
  {
    code: 'postgres_slow',
    said: /statement timeout|Query read timeout/,
    cause: 'PostgreSQL takes too long',
    next: 'See in pg_stat_activity what it waits for',
  },
  {
    code: 'postgres_unreachable',
    said: /no answer within|timeout|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ECONNRESET|Connection terminated/,
    cause: 'PostgreSQL does not answer',
    next: 'Check that DATABASE_URL leads to PostgreSQL, and look at firewalls and at its load',
  },
];
