import Type from 'typebox';
import { DEFAULT_LEVELS } from '../json/nesting.ts';

const HOST_AND_PORT = '[^\\s,:\\[\\]]+:\\d{1,5}';
/** Of a payload, or inside one of its members. */
const MEMBER = '[^\\s,.]+(\\.[^\\s,.]+)*';
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
      'Address to listen on. The default answers this machine only; any other needs API keys, or `AUTH=off` where something in front of it decides who may call.',
  }),
  API_KEYS_FILE: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'JSON file with the hashes of the API keys and what each allows; `npm run key -- create` makes entries for it. Read again at SIGHUP.',
      examples: ['./api-keys.json'],
    }),
  ),
  API_KEYS: Type.Optional(
    Type.String({ minLength: 1, description: 'The same list as a text, instead of a file.' }),
  ),
  AUTH: Type.Optional(
    Type.Enum(['keys', 'off'], {
      description:
        '`keys`: every caller needs an API key. `off`: none does. Not set: `keys` where there are any, else `off`, which only `HOST` on this machine allows.',
      examples: ['off'],
    }),
  ),
  HTTPS_CERT_FILE: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'PEM file with the certificate and its chain. With it and `HTTPS_KEY_FILE`, HTTPS alone is answered on `PORT`. Both are read again at SIGHUP.',
      examples: ['/etc/footfall/fullchain.pem'],
    }),
  ),
  HTTPS_KEY_FILE: Type.Optional(
    Type.String({
      minLength: 1,
      description: 'PEM file with the key of the certificate.',
      examples: ['/etc/footfall/privkey.pem'],
    }),
  ),
  CORS_ORIGINS: Type.Optional(
    Type.String({
      pattern: '^https?://[^/,\\s]+(,\\s*https?://[^/,\\s]+)*$',
      description:
        'Web origins whose pages may call where no keys are needed, comma-separated. With keys, each key has its own.',
      examples: ['https://shop.example'],
    }),
  ),
  ALLOWED_HOSTS: Type.Optional(
    Type.String({
      pattern: '^[^/,\\s]+(,\\s*[^/,\\s]+)*$',
      description:
        'Where no keys are needed: names and addresses this service is called by, beside `localhost`, loopback addresses and `HOST`, comma-separated. Requests with another `Host` are refused, because any web site can have a name that leads here. With keys it is not looked at.',
      examples: ['app-service,footfall.lan,192.168.1.20'],
    }),
  ),
  RATE_LIMIT_EVENTS_PER_SECOND: Type.Integer({
    minimum: 0,
    default: 0,
    description: 'Most events a second this instance takes from all callers together; 0: no limit.',
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
    description: 'Topic of the events. Records that are not events go to `<topic>.dlt`.',
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
        'Where processed events are stored: `memory:` (rebuilt from the topic at each start), `sqlite:PATH`, or `postgres://user:password@host:5432/database`; docs/postgresql.md tells of TLS, schemas, rights and poolers. Not set: SQLite in `DATA_DIR`.',
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
  WORKERS: Type.String({
    pattern: '^(auto|\\d{1,3})$',
    default: '0',
    description:
      'Processes that answer requests, on one port, beside one that processes events; `auto`: as many as cores. 0: one process does both. Needs `KAFKA_BROKERS` and a PostgreSQL. Limits on rates, requests, bytes and streams are for each process.',
    examples: ['auto'],
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
        'Folder of the event catalog: a JSON Schema of the payload for each type and version, in files `TYPE.VERSION.json`. The types in it are taken beside LOGIN, LOGOUT and PRODUCT_VIEW.',
      examples: ['./event-catalog'],
    }),
  ),
  UNKNOWN_EVENT_TYPES: Type.Enum(['reject', 'accept'], {
    default: 'reject',
    description: 'Events of types that are not in the catalog: `reject` or `accept` them, with any payload.',
  }),
  MAX_NESTING_LEVELS: Type.Integer({
    minimum: 8,
    maximum: 1000,
    default: DEFAULT_LEVELS,
    description:
      'How deep objects and arrays of an event may be in each other, with the list that holds the event (1), the event (2) and its payload (3). Readers such as System.Text.Json cannot read deeper lists.',
  }),
  REJECTED_EVENTS_BYTES: Type.Integer({
    minimum: 0,
    maximum: 1_000_000_000,
    default: 4_000_000,
    description:
      'Memory for the latest refused events, which `GET /events/rejected` shows with their bodies to keys that may read; 0 keeps none. For each process.',
  }),
  COUNTED_PAYLOAD_PROPERTIES: Type.String({
    pattern: `^(none|${MEMBER}(,\\s*${MEMBER}){0,7})$`,
    default: 'productId,device',
    description:
      'Members of payloads whose values `GET /events/stats` counts, comma-separated, at most eight; `none` counts none. An event is counted by what is listed when it is stored. Each costs time at every event that has it.',
    examples: ['productId,cart.currency'],
  }),
  MAX_STREAMS: Type.Integer({
    minimum: 1,
    maximum: 100_000,
    default: 1000,
    description: 'Readers of `GET /events/stream` at the same time; further ones are answered with 503.',
  }),
  MAX_STREAMS_PER_CALLER: Type.Integer({
    minimum: 1,
    maximum: 100_000,
    default: 250,
    description:
      'Readers of `GET /events/stream` at the same time with the keys of one caller; further ones are answered with 503.',
  }),
  STREAM_TIMEOUT_MS: Type.Integer({
    minimum: 100,
    maximum: 600_000,
    default: 30_000,
    description:
      'Milliseconds after which a reader of `GET /events/stream`, or of any other answer, that takes nothing of it is cut; one of a list after a fifth of that, if another request of the same caller has no room. On a stream something is sent at least twice in that time.',
  }),
  BODY_TIMEOUT_MS: Type.Integer({
    minimum: 100,
    maximum: 120_000,
    default: 10_000,
    description:
      'Milliseconds in which 10 KB of a request body must arrive, or all that is left of it; else the request is answered with 408.',
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
    default: 64_000_000,
    description:
      'Bytes that requests which send events may hold together. A request counts with its `Content-Length`, what its body inflates to, and what is to be answered for each event of a batch. A caller with a key may hold half of it.',
  }),
  MAX_IN_FLIGHT_READ_BYTES: Type.Integer({
    minimum: 3_000_000,
    maximum: 10_000_000_000,
    default: 64_000_000,
    description:
      'The same for requests that read, which have a budget of their own; a list being read counts with 3 MB.',
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
