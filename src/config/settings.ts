import Type from 'typebox';
import { DEFAULT_LEVELS } from '../json/nesting.ts';
import { DATABASE_SETTINGS } from './database-settings.ts';
import { KAFKA_SECURITY_SETTINGS } from './kafka-settings.ts';
import { LIMIT_SETTINGS } from './limit-settings.ts';
import { TRACING_SETTINGS } from './tracing-settings.ts';

const HOST_AND_PORT = '[^\\s,:\\[\\]]+:\\d{1,5}';
/** Of a payload, or inside one of its members. */
const MEMBER = '[^\\s,.]+(\\.[^\\s,.]+)*';
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/**
 * Every setting: the only list there is. `.env.example` and `docs/configuration.md` are generated from it
 * (`npm run docs`), and a test compares them. Values of `writeOnly` settings are secrets: they are never shown, and each
 * can be given as a file instead, in the setting `…_FILE`.
 */
export const SETTINGS = Type.Object({
  PORT: Type.Integer({
    minimum: 0,
    maximum: 65535,
    default: 3000,
    description: 'HTTP port; 0 picks a free one.',
  }),
  HOST: Type.String({
    minLength: 1,
    default: '127.0.0.1',
    description:
      'Address to listen on. The default serves only this machine. Any other address needs API keys, or `AUTH=off` if something in front of Footfall decides who may call.',
  }),
  API_KEYS_FILE: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'JSON file with the hashes of the API keys and what each allows. `npm run key -- create` makes entries for it. Footfall reads it again on SIGHUP.',
      examples: ['./api-keys.json'],
    }),
  ),
  API_KEYS: Type.Optional(
    Type.String({
      minLength: 1,
      writeOnly: true,
      description: 'The same JSON list in the variable itself, instead of in a file.',
    }),
  ),
  AUTH: Type.Optional(
    Type.Enum(['keys', 'off'], {
      description:
        '`keys`: every caller needs an API key. `off`: nobody does. Not set: `keys` if any are configured, otherwise `off`, which requires `HOST` to be a loopback address.',
      examples: ['off'],
    }),
  ),
  HTTPS_CERT_FILE: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'PEM file with the certificate and its chain. With it and `HTTPS_KEY_FILE`, `PORT` serves HTTPS only. Footfall reads both files again on SIGHUP.',
      examples: ['/etc/footfall/fullchain.pem'],
    }),
  ),
  HTTPS_KEY_FILE: Type.Optional(
    Type.String({
      minLength: 1,
      description: 'PEM file with the private key of the certificate.',
      examples: ['/etc/footfall/privkey.pem'],
    }),
  ),
  CORS_ORIGINS: Type.Optional(
    Type.String({
      pattern: '^https?://[^/,\\s]+(,\\s*https?://[^/,\\s]+)*$',
      description:
        'Web origins whose pages may call when no keys are needed, comma-separated. With keys, each key lists its own origins.',
      examples: ['https://shop.example'],
    }),
  ),
  ALLOWED_HOSTS: Type.Optional(
    Type.String({
      pattern: '^[^/,\\s]+(,\\s*[^/,\\s]+)*$',
      description:
        'When no keys are needed: the names and addresses callers use for this service, besides `localhost`, loopback addresses and `HOST`, comma-separated. Footfall rejects requests with any other `Host`, because any web site can point a name of its own at this machine. Ignored when keys are needed.',
      examples: ['app-service,footfall.lan,192.168.1.20'],
    }),
  ),
  RATE_LIMIT_EVENTS_PER_SECOND: Type.Integer({
    minimum: 0,
    default: 0,
    description: 'Events per second this instance accepts from all callers together; 0 means no limit.',
  }),
  LOG: Type.Optional(
    Type.Enum(['embedded', 'kafka'], {
      description:
        'Where events go: `embedded`, a file in `DATA_DIR`, or `kafka`, the brokers in `KAFKA_BROKERS`. Footfall does not start if the two contradict each other, so a mistake cannot send events to the wrong place. Not set: `kafka` if `KAFKA_BROKERS` is set, otherwise `embedded`; the production image sets `kafka`.',
      examples: ['kafka'],
    }),
  ),
  KAFKA_BROKERS: Type.Optional(
    Type.String({
      pattern: `^${HOST_AND_PORT}(,\\s*${HOST_AND_PORT})*$`,
      description:
        'Kafka brokers, comma-separated `host:port`. Not set: events go to an embedded log in `DATA_DIR`.',
      examples: ['kafka:29092'],
    }),
  ),
  ...KAFKA_SECURITY_SETTINGS,
  KAFKA_TOPIC: Type.String({
    pattern: '^[a-zA-Z0-9._-]{1,244}$',
    default: 'user-activity-events',
    description: 'Topic that holds the events. Records that are not valid events go to `<topic>.dlt`.',
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
    description: 'Partitions of the topic if Footfall creates it. An existing topic stays as it is.',
  }),
  KAFKA_TOPIC_REPLICATION: Type.Integer({
    minimum: -1,
    maximum: 32_767,
    default: -1,
    description: "Replicas of the topic if Footfall creates it; -1 uses the broker's default.",
  }),
  KAFKA_PRODUCER_RETRIES: Type.Integer({
    minimum: 0,
    maximum: 1000,
    default: 3,
    description: 'How often Footfall retries a failed append before it tells the caller.',
  }),
  KAFKA_PRODUCER_TIMEOUT_MS: Type.Integer({
    minimum: 100,
    maximum: 600_000,
    default: 30_000,
    description: 'Milliseconds within which every POST is answered, retries included.',
  }),
  KAFKA_CONSUMER_SESSION_TIMEOUT_MS: Type.Integer({
    minimum: 6000,
    maximum: 1_800_000,
    default: 30_000,
    description:
      "Milliseconds without a heartbeat after which Kafka gives an instance's partitions to others.",
  }),
  ...DATABASE_SETTINGS,
  DATA_DIR: Type.String({
    minLength: 1,
    default: './data',
    description:
      'Folder of the embedded log and the SQLite store; created if missing. Only one process can use it at a time.',
  }),
  ROLE: Type.Enum(['all', 'api', 'consumer'], {
    default: 'all',
    description:
      'What this instance does: serve requests (`api`), process events (`consumer`), or both (`all`). `api` and `consumer` need `KAFKA_BROKERS` and a PostgreSQL database that the instances share.',
  }),
  WORKERS: Type.String({
    pattern: '^(auto|\\d{1,3})$',
    default: '0',
    description:
      'Number of processes that serve requests on one port; one more processes events. `auto`: one per core. 0: a single process does everything. Needs `KAFKA_BROKERS` and PostgreSQL. Limits on rates, requests, bytes and streams apply to each process.',
    examples: ['auto'],
  }),
  INSTANCE_ID: Type.Optional(
    Type.String({
      pattern: '^[a-zA-Z0-9._-]{1,200}$',
      description:
        'Name of this instance in its group (Kafka: `group.instance.id`). With a name, a restarted instance gets its partitions back at once. Instances that run at the same time need different names.',
      examples: ['consumer-1'],
    }),
  ),
  MAX_BODY_BYTES: Type.Integer({
    minimum: 1024,
    maximum: 1_000_000,
    default: 1_000_000,
    description:
      'Largest request body, except for batches; larger ones get 413. Must fit within the `max.message.bytes` of the topic.',
  }),
  MAX_BATCH_EVENTS: Type.Integer({
    minimum: 1,
    maximum: 1_000_000,
    default: 100_000,
    description: 'Most events in one batch. Footfall does not read further ones, and the response says so.',
  }),
  MAX_BATCH_BYTES: Type.Integer({
    minimum: 1024,
    maximum: 10_000_000_000,
    default: 100_000_000,
    description:
      'Most bytes of events in one batch, uncompressed. Each event may have up to `MAX_BODY_BYTES`.',
  }),
  EVENT_CATALOG: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'Folder of the event catalog: files named `TYPE.VERSION.json`, each a JSON Schema for the payload of one version of a type. Footfall accepts these types in addition to LOGIN, LOGOUT and PRODUCT_VIEW.',
      examples: ['./event-catalog'],
    }),
  ),
  UNKNOWN_EVENT_TYPES: Type.Enum(['reject', 'accept'], {
    default: 'reject',
    description:
      'What to do with events whose type is not in the catalog: `reject` them, or `accept` them with any payload.',
  }),
  RETENTION_DAYS: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 36_500,
      description:
        'Days that events are kept after the day they happened on (UTC, by their own timestamps); not set: for good. A type of the catalog may have days of its own (`x-retention-days`). Older events are removed for good, with their counts; those that come later are rejected. Dead letters go after the same time. Set it once every instance is of a version that knows it.',
      examples: ['365'],
    }),
  ),
  MAX_NESTING_LEVELS: Type.Integer({
    minimum: 8,
    maximum: 1000,
    default: DEFAULT_LEVELS,
    description:
      'How deeply objects and arrays may be nested, counting the list that holds the event (1), the event (2) and its payload (3). Readers such as System.Text.Json read no deeper than 64 by default.',
  }),
  REJECTED_EVENTS_BYTES: Type.Integer({
    minimum: 0,
    maximum: 1_000_000_000,
    default: 4_000_000,
    description:
      'Bytes of memory, in each process, for the latest rejected events. `GET /events/rejected` shows them with their bodies to keys that may read; 0 keeps none.',
  }),
  COUNTED_PAYLOAD_PROPERTIES: Type.String({
    pattern: `^(none|${MEMBER}(,\\s*${MEMBER}){0,7})$`,
    default: 'productId,device',
    description:
      'Payload properties whose values `GET /events/stats` counts, comma-separated, at most eight; `none` counts none. Changes apply to events stored afterwards. Each property makes storing the events that have it a little slower.',
    examples: ['productId,cart.currency'],
  }),
  ...LIMIT_SETTINGS,
  ...TRACING_SETTINGS,
  LOG_LEVEL: Type.Enum(LOG_LEVELS, { default: 'info', description: `One of ${LOG_LEVELS.join(', ')}.` }),
  LOG_FORMAT: Type.Enum(['auto', 'json', 'text'], {
    default: 'auto',
    description:
      '`json` (one object per line), `text` (for people), or `auto`: text on a terminal or with `NODE_ENV=development`, otherwise JSON.',
  }),
  LOG_EVERY_NTH_EVENT: Type.Integer({
    minimum: 0,
    default: 1,
    description:
      'Log every n-th event published and processed: 1 logs all of them, 100 one in a hundred, 0 none. Logging every event costs throughput.',
  }),
  LOG_SLOW_REQUEST_MS: Type.Integer({
    minimum: 0,
    default: 3000,
    description:
      'Requests that take longer get a warning in the log, with their id and the name of their key; 0: none do. With `LOG_LEVEL=debug` every request has a line.',
  }),
  SHUTDOWN_DELAY_MS: Type.Integer({
    minimum: 0,
    maximum: 600_000,
    default: 0,
    description:
      'Milliseconds for which a service that is stopped goes on answering, while `/readyz` says 503, so that load balancers stop sending to it. Then it stops.',
  }),
  SHUTDOWN_TIMEOUT_MS: Type.Integer({
    minimum: 100,
    maximum: 600_000,
    default: 10_000,
    description:
      'Milliseconds the service may take to finish its work when it is stopped, after `SHUTDOWN_DELAY_MS`; then the process exits with code 1.',
  }),
  NODE_ENV: Type.String({
    minLength: 1,
    default: 'production',
    description: 'Node environment: `production` or `development`.',
  }),
});

export type Settings = Type.Static<typeof SETTINGS>;
