import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from '../../../src/config/config.ts';
import { OTHER_NAMES } from '../../../src/config/other-names.ts';
import { describeSettings } from '../../../src/config/setting-descriptions.ts';
import { checkNames } from '../../../src/config/unknown-names.ts';

/** Each with the setting it is a mistake for. */
const MISTAKES = [
  // Singular, plural
  ['KAFKA_BROKER', 'KAFKA_BROKERS'],
  ['KAFKA_TOPICS', 'KAFKA_TOPIC'],
  ['KAFKA_TOPIC_PARTITION', 'KAFKA_TOPIC_PARTITIONS'],
  ['KAFKA_CONSUMER_GROUPS', 'KAFKA_CONSUMER_GROUP'],
  ['CORS_ORIGIN', 'CORS_ORIGINS'],
  ['ALLOWED_HOST', 'ALLOWED_HOSTS'],
  ['MAX_STREAM', 'MAX_STREAMS'],
  ['MAX_BODY_BYTE', 'MAX_BODY_BYTES'],
  ['MAX_IN_FLIGHT_REQUEST', 'MAX_IN_FLIGHT_REQUESTS'],
  ['API_KEY_FILE', 'API_KEYS_FILE'],
  // Underscores
  ['LOGLEVEL', 'LOG_LEVEL'],
  ['LOGFORMAT', 'LOG_FORMAT'],
  ['KAFKABROKERS', 'KAFKA_BROKERS'],
  ['KAFKA__BROKERS', 'KAFKA_BROKERS'],
  ['DATA_BASE_URL', 'DATABASE_URL'],
  ['DATABASEURL', 'DATABASE_URL'],
  ['KAFKA_TOPICPARTITIONS', 'KAFKA_TOPIC_PARTITIONS'],
  ['MAX_INFLIGHT_BYTES', 'MAX_IN_FLIGHT_BYTES'],
  // Other characters
  ['kafka_brokers', 'KAFKA_BROKERS'],
  ['Database_Url', 'DATABASE_URL'],
  ['log_level', 'LOG_LEVEL'],
  ['KAFKA-BROKERS', 'KAFKA_BROKERS'],
  ['kafka.brokers', 'KAFKA_BROKERS'],
  // Typing mistakes
  ['KAFKA_BORKERS', 'KAFKA_BROKERS'],
  ['KAKFA_BROKERS', 'KAFKA_BROKERS'],
  ['KAFKA_BROKRES', 'KAFKA_BROKERS'],
  ['KAFA_BROKERS', 'KAFKA_BROKERS'],
  ['DATABSE_URL', 'DATABASE_URL'],
  ['DATABASE_ULR', 'DATABASE_URL'],
  ['DATABASE_POOLSIZE', 'DATABASE_POOL_SIZE'],
  ['KAFKA_TOPIC_REPLCATION', 'KAFKA_TOPIC_REPLICATION'],
  ['KAFKA_COMSUMER_GROUP', 'KAFKA_CONSUMER_GROUP'],
  ['LOG_LEVLE', 'LOG_LEVEL'],
  ['EVENT_CATALOGUE', 'EVENT_CATALOG'],
  ['UNKOWN_EVENT_TYPES', 'UNKNOWN_EVENT_TYPES'],
  ['SHUTDOWN_TIMOUT_MS', 'SHUTDOWN_TIMEOUT_MS'],
  ['INSTANSE_ID', 'INSTANCE_ID'],
  // The order of the words
  ['BROKERS_KAFKA', 'KAFKA_BROKERS'],
  ['KAFKA_GROUP_CONSUMER', 'KAFKA_CONSUMER_GROUP'],
  ['BODY_MAX_BYTES', 'MAX_BODY_BYTES'],
  // A prefix or an ending that is not there, or missing
  ['FOOTFALL_KAFKA_BROKERS', 'KAFKA_BROKERS'],
  ['FOOTFALL_PORT', 'PORT'],
  ['KAFKA_BROKERS_FILE', 'KAFKA_BROKERS'],
  // What others call it
  ['KAFKA_BOOTSTRAP_SERVERS', 'KAFKA_BROKERS'],
  ['KAFKA_BROKER_LIST', 'KAFKA_BROKERS'],
  ['KAFKA_URL', 'KAFKA_BROKERS'],
  ['KAFKA_GROUP_ID', 'KAFKA_CONSUMER_GROUP'],
  ['KAFKA_TOPIC_NAME', 'KAFKA_TOPIC'],
  ['DATABASE_URI', 'DATABASE_URL'],
  ['POSTGRES_URL', 'DATABASE_URL'],
  ['DB_URL', 'DATABASE_URL'],
  ['CORS_ALLOWED_ORIGINS', 'CORS_ORIGINS'],
  ['MAX_BODY_SIZE', 'MAX_BODY_BYTES'],
  ['KAFKA_PASSWORD', 'KAFKA_SASL_PASSWORD'],
  ['KAFKA_USER', 'KAFKA_SASL_USERNAME'],
  ['KAFKA_CLIENT_CERT', 'KAFKA_SSL_CERT_FILE'],
  ['KAFKA_SASL_MECHANISMS', 'KAFKA_SASL_MECHANISM'],
] as const;

/** Names of other programs, from the list of those and from the mistakes above. */
const OTHERS = [...new Set([...Object.values(OTHER_NAMES).flat(), ...MISTAKES.map(([name]) => name)])];

/** The setting that a message names as the way out, with a value that it may have. */
function wayOut([problem]: readonly string[]): Record<string, string> {
  const [, name, value] = /If it is for another program, set (\w+)(?:=(\w+))?\b/.exec(problem!)!;
  const setting = describeSettings().find((one) => one.name === name)!;
  const file = name === 'API_KEYS_FILE' ? 'package.json' : undefined;
  return { [name!]: value ?? file ?? String(setting.default ?? setting.examples?.[0]) };
}

const HARMLESS: Record<string, string> = {
  PATH: '/usr/bin',
  HOME: '/root',
  HOSTNAME: 'footfall-5c9f7d-x2x4z',
  LOGNAME: 'root',
  PWD: '/app',
  TERM: 'xterm',
  TZ: 'UTC',
  NODE: '/usr/bin/node',
  NODE_OPTIONS: '--max-old-space-size=512',
  NODE_VERSION: '26.10.0',
  NODE_EXTRA_CA_CERTS: '/etc/ssl/ca.pem',
  NODE_COMPILE_CACHE: '/tmp/cache',
  npm_config_loglevel: 'warn',
  npm_lifecycle_event: 'start',
  npm_package_name: 'footfall',
  YARN_VERSION: '1.22',
  VITEST: 'true',
  CI: 'true',
  HTTPS_PROXY: 'http://proxy:3128',
  https_proxy: 'http://proxy:3128',
  NO_PROXY: 'localhost',
  // Kubernetes, for services called kubernetes, kafka, footfall, database and log
  KUBERNETES_SERVICE_HOST: '10.96.0.1',
  KAFKA_SERVICE_HOST: '10.96.7.2',
  KAFKA_SERVICE_PORT: '9092',
  KAFKA_SERVICE_PORT_BROKER: '9092',
  KAFKA_PORT: 'tcp://10.96.7.2:9092',
  KAFKA_PORT_9092_TCP: 'tcp://10.96.7.2:9092',
  KAFKA_PORT_9092_TCP_ADDR: '10.96.7.2',
  KAFKA_PORT_9092_TCP_PORT: '9092',
  KAFKA_PORT_9092_TCP_PROTO: 'tcp',
  KAFKA_BROKERS_SERVICE_HOST: '10.96.7.3',
  KAFKA_BROKERS_PORT: 'tcp://10.96.7.3:9092',
  FOOTFALL_SERVICE_HOST: '10.96.7.4',
  FOOTFALL_PORT: 'tcp://10.96.7.4:3000',
  DATABASE_SERVICE_PORT: '5432',
  DATABASE_PORT: 'tcp://10.96.7.5:5432',
  LOG_SERVICE_HOST: '10.96.7.6',
  // Scripts of Kafka
  KAFKA_OPTS: '-Djava.security.auth.login.config=/etc/jaas.conf',
  KAFKA_HEAP_OPTS: '-Xmx1g',
  KAFKA_JVM_PERFORMANCE_OPTS: '-server',
  KAFKA_HOME: '/opt/kafka',
  KAFKA_VERSION: '4.1.0',
  LOG_DIR: '/var/log/kafka',
  // Other programs
  PGPASSWORD: 'secret',
  POSTGRES_PASSWORD: 'secret',
  POSTGRES_USER: 'footfall',
  APP_KEYS: 'a,b',
  DB_HOST: 'db',
  SSL_CERT_FILE: '/etc/ssl/cert.pem',
  INSTANCE_IP: '10.0.0.1',
  INSTANCE_INDEX: '0',
  WEB_CONCURRENCY: '2',
  FOOTFALL_KEY: 'ff_1',
};

describe('names that are not settings', () => {
  it.each(MISTAKES)('%s stops the start, and names %s', (name, setting) => {
    const { problems, warnings } = checkNames({ [name]: 'x' });
    expect(problems).toEqual([expect.stringContaining(`${name} is not a setting: did you mean ${setting}?`)]);
    expect(warnings).toEqual([]);
  });

  it.each(Object.entries(HARMLESS))('%s=%s is left alone', (name, value) => {
    expect(checkNames({ [name]: value })).toEqual({ problems: [], warnings: [] });
  });

  it.each([
    ['KAFKA_COMPRESSION', 'KAFKA_COMPRESSION'],
    ['KAFKA_PRODUCER_LINGER_MS', 'KAFKA_PRODUCER_LINGER_MS (did you mean KAFKA_PRODUCER_TIMEOUT_MS?)'],
    [
      'KAFKA_SESSION_TIMEOUT_MS',
      'KAFKA_SESSION_TIMEOUT_MS (did you mean KAFKA_CONSUMER_SESSION_TIMEOUT_MS?)',
    ],
    ['DATABASE_HOST', 'DATABASE_HOST'],
    ['MAX_EVENTS', 'MAX_EVENTS (did you mean MAX_BATCH_EVENTS?)'],
    ['LOG_FILE', 'LOG_FILE'],
    ['FOOTFALL_DEBUG', 'FOOTFALL_DEBUG'],
    // Many servers have such names.
    ['HTTP_CERT_FILE', 'HTTP_CERT_FILE (did you mean HTTPS_CERT_FILE?)'],
    ['HTTPS_CERT', 'HTTPS_CERT (did you mean HTTPS_CERT_FILE?)'],
    ['HTTPS_KEY', 'HTTPS_KEY (did you mean HTTPS_KEY_FILE?)'],
    // Too short to be sure: many programs have such names.
    ['API_KEY', 'API_KEY (did you mean API_KEYS?)'],
    ['port', 'port (did you mean PORT?)'],
    ['WORKER', 'WORKER (did you mean WORKERS?)'],
  ])('%s is only warned about', (name, said) => {
    expect(checkNames({ [name]: 'x' })).toEqual({
      problems: [],
      warnings: [`Not settings, and without effect: ${said}`],
    });
  });

  it.each(OTHERS)('%s may be for another program: the way out that the message names works', (name) => {
    const env = { [name]: 'x' };
    const { problems } = checkNames(env);
    expect(problems).toHaveLength(1);
    const decision = wayOut(problems);
    const brokers = 'LOG' in decision ? {} : { KAFKA_BROKERS: 'a:9092' };
    expect(loadConfig({ ...env, ...brokers, ...decision })).toMatchObject(brokers);
  });

  it('warns of names about TLS and SASL once it is decided how to connect', () => {
    const env = { KAFKA_SECURITY_PROTOCOL: 'SSL', KAFKA_PASSWORD: 'x', KAFKA_CA_CERT: 'y' };
    expect(checkNames(env)).toEqual({
      problems: [],
      warnings: [
        'Not settings, and without effect: KAFKA_PASSWORD (did you mean KAFKA_SASL_PASSWORD?), KAFKA_CA_CERT (did you mean KAFKA_SSL_CA_FILE?)',
      ],
    });
  });

  it.each([
    ['DATABASE_URL_FIEL', 'DATABASE_URL'],
    ['API_KEY_FILE', 'API_KEYS'],
  ])('%s is not asked for as a file beside %s', (name, setting) => {
    expect(checkNames({ [name]: 'x', [setting]: 'y' }).problems).toEqual([]);
  });

  it('may be for another program if the setting itself is decided', () => {
    expect(checkNames({ KAFKA_BOOTSTRAP_SERVERS: 'a:9092', KAFKA_BROKERS: 'a:9092' }).problems).toEqual([]);
    expect(checkNames({ KAFKA_BOOTSTRAP_SERVERS: 'a:9092', LOG: 'embedded' }).problems).toEqual([]);
    expect(checkNames({ KAFKA_TOPIC_NAME: 'orders', LOG: 'embedded' }).problems).toEqual([]);
    expect(checkNames({ POSTGRES_URL: 'postgres://h/d', DATABASE_URL: 'memory:' })).toEqual({
      problems: [],
      warnings: [],
    });
    expect(checkNames({ POSTGRES_URL: 'postgres://h/d', DATABASE_URL_FILE: 'f' }).problems).toEqual([]);
    expect(checkNames({ KAFKA_BOOTSTRAP_SERVERS: 'a:9092', LOG: 'kafka' }).problems).toHaveLength(1);
  });

  it('are refused together with invalid values, and warned about in one line', () => {
    const env = { KAFKA_BROKER: 'a:9092', LOGLEVEL: 'debug', PORT: 'abc' };
    expect(() => loadConfig(env)).toThrow(ConfigError);
    expect(() => loadConfig(env)).toThrow(
      /KAFKA_BROKER is not .* set LOG=embedded\.\n.*LOGLEVEL is not .* set LOG_LEVEL, too\.\n.*PORT must be integer/,
    );
    expect(loadConfig({ KAFKA_ACKS: '1', MAX_CLIENTS: '2' }).warnings).toEqual([
      'Not settings, and without effect: KAFKA_ACKS, MAX_CLIENTS',
    ]);
    expect(loadConfig({ KAFKA_BROKER: '' }).warnings).toEqual([]);
  });
});
