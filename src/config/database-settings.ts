import Type from 'typebox';

/** Where events are stored, and how PostgreSQL is reached. */
export const DATABASE_SETTINGS = {
  DATABASE_URL: Type.Optional(
    Type.String({
      pattern: '^(memory:|sqlite:.+|postgres(ql)?://.+)$',
      description:
        'Where processed events are stored: `memory:` (rebuilt from the topic at each start), `sqlite:PATH`, or `postgres://user:password@host:5432/database`; docs/postgresql.md covers TLS, schemas, privileges and poolers. Not set: SQLite in `DATA_DIR`.',
      writeOnly: true,
      examples: ['postgres://footfall:footfall@localhost:5432/footfall'],
    }),
  ),
  DATABASE_URL_FILE: Type.Optional(
    Type.String({
      minLength: 1,
      description: 'File that holds `DATABASE_URL`, so that its password is in no environment variable.',
      examples: ['/run/secrets/database-url'],
    }),
  ),
  DATABASE_READ_URL: Type.Optional(
    Type.String({
      pattern: '^postgres(ql)?://.+$',
      description:
        'A streaming replica of the PostgreSQL that `DATABASE_URL` leads to: it answers reads of events whenever it has replayed all that the primary had when they came. Otherwise the primary answers.',
      writeOnly: true,
      examples: ['postgres://footfall:footfall@replica:5432/footfall'],
    }),
  ),
  DATABASE_READ_URL_FILE: Type.Optional(
    Type.String({
      minLength: 1,
      description: 'File that holds `DATABASE_READ_URL`.',
      examples: ['/run/secrets/database-read-url'],
    }),
  ),
  DATABASE_POOL_SIZE: Type.Integer({
    minimum: 2,
    maximum: 1000,
    default: 10,
    description:
      'Most PostgreSQL connections each process may open to a server; up to two more while an index is built.',
  }),
  DATABASE_MIGRATE: Type.Enum(['on', 'off'], {
    default: 'on',
    description:
      'Whether Footfall creates and changes its tables in PostgreSQL by itself. `off`: `footfall migrate` does, as another user, and Footfall waits until then; docs/postgresql.md has the privileges.',
  }),
};
