import type { Settings } from './settings.ts';

/** What other programs, and people who know them, call a setting. */
export const OTHER_NAMES: { readonly [Name in keyof Settings]?: readonly string[] } = {
  KAFKA_BROKERS: [
    'BOOTSTRAP_SERVERS',
    'KAFKA_ADDRESS',
    'KAFKA_BOOTSTRAP',
    'KAFKA_BOOTSTRAP_BROKERS',
    'KAFKA_BOOTSTRAP_SERVER',
    'KAFKA_BOOTSTRAP_SERVERS',
    'KAFKA_BROKER_LIST',
    'KAFKA_BROKER_URL',
    'KAFKA_BROKER_URLS',
    'KAFKA_HOST',
    'KAFKA_HOSTS',
    'KAFKA_SERVER',
    'KAFKA_SERVERS',
    'KAFKA_URL',
    'KAFKA_URLS',
    'SPRING_KAFKA_BOOTSTRAP_SERVERS',
  ],
  KAFKA_SECURITY_PROTOCOL: [
    'KAFKA_PROTOCOL',
    'KAFKA_SSL',
    'KAFKA_SSL_ENABLED',
    'KAFKA_TLS',
    'KAFKA_TLS_ENABLED',
  ],
  KAFKA_SSL_CA_FILE: [
    'KAFKA_CA_CERT',
    'KAFKA_CA_FILE',
    'KAFKA_SSL_CA',
    'KAFKA_SSL_CA_LOCATION',
    'KAFKA_TLS_CA_FILE',
  ],
  KAFKA_SSL_CERT_FILE: ['KAFKA_CLIENT_CERT', 'KAFKA_SSL_CERTIFICATE_LOCATION', 'KAFKA_TLS_CERT_FILE'],
  KAFKA_SSL_KEY_FILE: ['KAFKA_CLIENT_KEY', 'KAFKA_SSL_KEY_LOCATION', 'KAFKA_TLS_KEY_FILE'],
  KAFKA_SASL_MECHANISM: ['KAFKA_MECHANISM'],
  KAFKA_SASL_USERNAME: ['KAFKA_SASL_USER', 'KAFKA_USER', 'KAFKA_USERNAME'],
  KAFKA_SASL_PASSWORD: ['KAFKA_PASSWORD', 'KAFKA_SASL_PASS'],
  KAFKA_OAUTH_TOKEN_URL: ['KAFKA_OAUTH_TOKEN_ENDPOINT', 'KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL'],
  KAFKA_OAUTH_SCOPE: ['KAFKA_SASL_OAUTHBEARER_SCOPE'],
  KAFKA_TOPIC: ['KAFKA_TOPIC_NAME'],
  KAFKA_CONSUMER_GROUP: ['KAFKA_CONSUMER_GROUP_ID', 'KAFKA_GROUP', 'KAFKA_GROUP_ID'],
  KAFKA_TOPIC_PARTITIONS: ['KAFKA_PARTITIONS'],
  KAFKA_TOPIC_REPLICATION: ['KAFKA_REPLICATION_FACTOR', 'KAFKA_TOPIC_REPLICATION_FACTOR'],
  DATABASE_URL: [
    'DATABASE_CONNECTION_STRING',
    'DATABASE_DSN',
    'DATABASE_URI',
    'DB_URI',
    'DB_URL',
    'PG_URL',
    'POSTGRES_DSN',
    'POSTGRES_URI',
    'POSTGRES_URL',
    'POSTGRESQL_URI',
    'POSTGRESQL_URL',
    'SQLALCHEMY_DATABASE_URI',
  ],
  DATABASE_POOL_SIZE: ['DATABASE_MAX_CONNECTIONS', 'DATABASE_POOL_MAX', 'DB_POOL_SIZE'],
  LOG_LEVEL: ['LOGGER_LEVEL', 'LOGGING_LEVEL', 'LOG_LVL'],
  CORS_ORIGINS: ['CORS_ALLOWED_ORIGINS', 'CORS_ALLOW_ORIGIN', 'CORS_ALLOW_ORIGINS'],
  MAX_BODY_BYTES: ['MAX_BODY_SIZE'],
  SHUTDOWN_TIMEOUT_MS: ['SHUTDOWN_TIMEOUT', 'SHUTDOWN_TIMEOUT_SECONDS'],
};

/** What Kubernetes and Docker tell every container about a service called `kafka`, `database`, … */
const OF_A_SERVICE = /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/;
const PORT_OF_A_SERVICE = /_PORT$/;
const ADDRESS_OF_A_SERVICE = /^(tcp|udp|sctp):\/\//;

/** Names with one of our prefixes that are plainly for another program: Node.js and npm, the scripts of Kafka, proxies. */
const OF_ANOTHER_PROGRAM = [
  /^npm_/,
  /^NODE(_|$)/,
  /^HTTPS?_PROXY$/i,
  /^KAFKA_(\w+_)?OPTS$/,
  /^KAFKA_(HOME|DEBUG|VERSION|JMX_PORT|JMX_HOSTNAME|CLUSTER_ID|LOG4J_\w+|MODE)$/,
  /^LOG_DIRS?$/,
  /^INSTANCE_(GUID|INDEX|IP)$/,
];

/** Whether a variable is known to be meant for another program than Footfall. */
export function isOfAnotherProgram(name: string, value: string): boolean {
  if (OF_A_SERVICE.test(name)) return true;
  if (PORT_OF_A_SERVICE.test(name) && ADDRESS_OF_A_SERVICE.test(value)) return true;
  return OF_ANOTHER_PROGRAM.some((pattern) => pattern.test(name));
}
