import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import envSchema from 'env-schema';
import Type from 'typebox';

/** Raised at start-up; `problems` names every setting at fault, one line each. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      `Footfall cannot start, its settings need a change:\n${problems.map((line) => `  - ${line}`).join('\n')}`,
    );
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

const HOST_AND_PORT = '[^\\s,:\\[\\]]+:\\d{1,5}';
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/**
 * Every setting: the only list there is. `.env.example` and `docs/configuration.md` are printed from it
 * (`npm run docs`), and a test compares them.
 */
export const SETTINGS = Type.Object({
  PORT: Type.Integer({
    minimum: 0,
    maximum: 65535,
    default: 3000,
    description: 'HTTP port; 0 takes a free one.',
  }),
  HOST: Type.String({
    minLength: 1,
    default: '127.0.0.1',
    description:
      'Address to listen on. The default answers this machine only; there are no API keys yet, so open it to others (`0.0.0.0`) only behind a gateway or inside a private network.',
  }),
  KAFKA_BROKERS: Type.Optional(
    Type.String({
      pattern: `^${HOST_AND_PORT}(,\\s*${HOST_AND_PORT})*$`,
      description:
        'Kafka brokers, comma-separated `host:port`. Not set: events go to an embedded log in `DATA_DIR`.',
      examples: ['kafka:29092'],
    }),
  ),
  KAFKA_TOPIC: Type.String({
    pattern: '^[a-zA-Z0-9._-]{1,244}$',
    default: 'user-activity-events',
    description: 'Topic of the events. Records that are no events are set aside in `<topic>.dlt`.',
  }),
  KAFKA_CONSUMER_GROUP: Type.String({
    pattern: '^\\S{1,249}$',
    default: 'user-activity-consumer-group',
    description: 'Consumer group. Instances with the same group share the partitions.',
  }),
  KAFKA_TOPIC_PARTITIONS: Type.Integer({
    minimum: 1,
    maximum: 10_000,
    default: 3,
    description:
      'Partitions of the topic when it is created at start-up. An existing topic is left as it is.',
  }),
  KAFKA_TOPIC_REPLICATION: Type.Integer({
    minimum: -1,
    maximum: 32_767,
    default: -1,
    description: "Replicas of the topic when it is created; -1 takes the broker's default.",
  }),
  KAFKA_PRODUCER_RETRIES: Type.Integer({
    minimum: 0,
    maximum: 1000,
    default: 3,
    description: 'How often a failed append is tried again before the caller is told.',
  }),
  KAFKA_PRODUCER_TIMEOUT_MS: Type.Integer({
    minimum: 100,
    maximum: 600_000,
    default: 30_000,
    description: 'Milliseconds after which a POST is answered at the latest, retries included.',
  }),
  KAFKA_CONSUMER_SESSION_TIMEOUT_MS: Type.Integer({
    minimum: 6000,
    maximum: 1_800_000,
    default: 30_000,
    description:
      "Milliseconds without a sign of life after which Kafka gives an instance's partitions to others.",
  }),
  DATABASE_URL: Type.Optional(
    Type.String({
      pattern: '^(memory:|sqlite:.+|postgres(ql)?://.+)$',
      description:
        'Where processed events are stored: `memory:` (rebuilt from the topic at each start), `sqlite:PATH`, or `postgres://user:password@host:5432/database`. Not set: SQLite in `DATA_DIR`.',
      examples: ['postgres://footfall:footfall@localhost:5432/footfall'],
    }),
  ),
  DATABASE_POOL_SIZE: Type.Integer({
    minimum: 2,
    maximum: 1000,
    default: 10,
    description: 'PostgreSQL connections this instance may open.',
  }),
  DATA_DIR: Type.String({
    minLength: 1,
    default: './data',
    description:
      'Folder of the embedded log and the SQLite store; created if missing. One process at a time.',
  }),
  ROLE: Type.Enum(['all', 'api', 'consumer'], {
    default: 'all',
    description:
      'What this instance does: take and answer requests (`api`), process events (`consumer`), or both. One alone needs `KAFKA_BROKERS` and a PostgreSQL, which the instances share.',
  }),
  INSTANCE_ID: Type.Optional(
    Type.String({
      pattern: '^[a-zA-Z0-9._-]{1,200}$',
      description:
        'Name of this instance in its group (Kafka: `group.instance.id`). With it, a restarted instance gets its partitions back at once. Must differ between instances that run at the same time.',
      examples: ['consumer-1'],
    }),
  ),
  MAX_BODY_BYTES: Type.Integer({
    minimum: 1024,
    maximum: 1_000_000,
    default: 1_000_000,
    description:
      'Largest request body; larger ones are answered with 413. Must fit the `max.message.bytes` of the topic.',
  }),
  MAX_BATCH_EVENTS: Type.Integer({
    minimum: 1,
    maximum: 1_000_000,
    default: 100_000,
    description: 'Most events in one batch; what follows them is not read, and the answer says so.',
  }),
  MAX_BATCH_BYTES: Type.Integer({
    minimum: 1024,
    maximum: 10_000_000_000,
    default: 100_000_000,
    description: 'Most bytes of events in one batch, uncompressed. Each event may have MAX_BODY_BYTES.',
  }),
  EVENT_CATALOG: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'Folder of the event catalogue: a JSON Schema of the payload for each type and version, in files `TYPE.VERSION.json`. The types in it are taken beside LOGIN, LOGOUT and PRODUCT_VIEW.',
      examples: ['./event-catalog'],
    }),
  ),
  UNKNOWN_EVENT_TYPES: Type.Enum(['reject', 'accept'], {
    default: 'reject',
    description:
      'Events of types that are not in the catalogue: `reject` or `accept` them, with any payload.',
  }),
  MAX_IN_FLIGHT_REQUESTS: Type.Integer({
    minimum: 1,
    maximum: 1_000_000,
    default: 10_000,
    description:
      'Requests for events that may be worked on at the same time; further ones are answered with 503 and `Retry-After`.',
  }),
  MAX_IN_FLIGHT_BYTES: Type.Integer({
    minimum: 1_000_000,
    maximum: 10_000_000_000,
    default: 128_000_000,
    description:
      'Bytes that bodies and answers of these requests may take together. A request counts with its `Content-Length`, or `MAX_BODY_BYTES` if it has none; a list being read counts with 1 MB.',
  }),
  LOG_LEVEL: Type.Enum(LOG_LEVELS, { default: 'info', description: `One of ${LOG_LEVELS.join(', ')}.` }),
  LOG_FORMAT: Type.Enum(['auto', 'json', 'text'], {
    default: 'auto',
    description:
      '`json` lines, `text` for people, or `auto`: text on a terminal and with `NODE_ENV=development`.',
  }),
  LOG_EVERY_NTH_EVENT: Type.Integer({
    minimum: 0,
    default: 1,
    description: 'Log each n-th event published and processed: 1 logs all, 100 one in a hundred, 0 none.',
  }),
  SHUTDOWN_TIMEOUT_MS: Type.Integer({
    minimum: 100,
    maximum: 600_000,
    default: 10_000,
    description:
      'Milliseconds a stop may take to finish the work at hand; then the process exits with code 1.',
  }),
  NODE_ENV: Type.String({
    minLength: 1,
    default: 'production',
    description: 'Node environment: `production` or `development`.',
  }),
});

export type Settings = Type.Static<typeof SETTINGS>;

/** One setting as documents show it. */
export interface SettingDescription {
  name: string;
  description: string;
  default?: string | number;
  examples?: string[];
}

export function describeSettings(): SettingDescription[] {
  return Object.entries(SETTINGS.properties).map(([name, schema]) => {
    return { name, ...(schema as unknown as Omit<SettingDescription, 'name'>) };
  });
}

/** Where events are stored. */
export type StoreTarget =
  | { kind: 'memory' }
  | { kind: 'sqlite'; path: string }
  | { kind: 'postgres'; url: string; poolSize: number };

/** Settings in the form the service uses them. */
export interface Config extends Settings {
  /** Empty: the embedded log. */
  brokers: string[];
  store: StoreTarget;
  /** File of the embedded log; the SQLite store shares it unless `DATABASE_URL` says otherwise. */
  dataFile: string;
}

/** Adds the variables of a file `.env` in the working folder, where there is one; those given win. */
export function withEnvFile(env: Record<string, string | undefined>): Record<string, string | undefined> {
  return { ...(existsSync('.env') ? parseEnv(readFileSync('.env', 'utf8')) : {}), ...env };
}

/**
 * @param env variables by name; empty values count as not set, names that are no settings are ignored
 * @throws ConfigError naming every setting at fault
 */
export function loadConfig(env: Record<string, string | undefined>): Config {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  );
  const settings = validate(given);
  const dataFile = resolve(join(settings.DATA_DIR, 'footfall.db'));
  const brokers = settings.KAFKA_BROKERS?.split(',').map((broker) => broker.trim()) ?? [];
  const store = storeTarget(settings, dataFile);
  if (settings.ROLE !== 'all' && (brokers.length === 0 || store.kind !== 'postgres')) {
    throw new ConfigError([
      `ROLE=${settings.ROLE} needs KAFKA_BROKERS and DATABASE_URL=postgres://…: an embedded log, a file or memory belongs to one process, which has to do both`,
    ]);
  }
  return { ...settings, brokers, store, dataFile };
}

function validate(given: Record<string, unknown>): Settings {
  try {
    return envSchema<Settings>({ schema: structuredClone(SETTINGS), data: given, env: false });
  } catch (error) {
    const { errors } = error as { errors?: SchemaError[] };
    if (errors === undefined) throw error;
    throw new ConfigError(errors.map((problem) => describeProblem(problem, given)));
  }
}

interface SchemaError {
  instancePath: string;
  keyword: string;
  message?: string;
  params: { allowedValues?: string[] };
}

function describeProblem(
  { instancePath, keyword, message, params }: SchemaError,
  given: Record<string, unknown>,
): string {
  const name = instancePath.slice(1);
  // A database address holds a password, and what is printed at start ends up in logs.
  const value = name === 'DATABASE_URL' ? '' : ` (it is ${JSON.stringify(given[name])})`;
  const { description, examples } = describeSettings().find((setting) => setting.name === name)!;
  if (keyword === 'enum') return `${name} must be one of ${params.allowedValues?.join(', ')}${value}`;
  if (keyword === 'pattern') {
    return `${name} is not of the right form${value}: ${description}${examples ? ` Example: ${examples[0]}` : ''}`;
  }
  return `${name} ${message}${value}`;
}

function storeTarget({ DATABASE_URL, DATABASE_POOL_SIZE }: Settings, dataFile: string): StoreTarget {
  if (DATABASE_URL === undefined) return { kind: 'sqlite', path: dataFile };
  if (DATABASE_URL === 'memory:') return { kind: 'memory' };
  if (DATABASE_URL.startsWith('sqlite:')) {
    return { kind: 'sqlite', path: resolve(DATABASE_URL.slice('sqlite:'.length).replace(/^\/\//, '')) };
  }
  return { kind: 'postgres', url: DATABASE_URL, poolSize: DATABASE_POOL_SIZE };
}
