import type { KnownCause } from './finding.ts';

/** The first that fits counts. */
export const KAFKA_CAUSES: readonly KnownCause[] = [
  {
    code: 'kafka_tls_files',
    said: /^KAFKA_\w+_FILE/,
    cause: 'A file for the connection to Kafka cannot be used',
    next: 'Correct its path, or let the user that runs Footfall read it',
  },
  {
    code: 'kafka_tls_untrusted',
    said: /^TLS: .*(KAFKA_SSL_CA_FILE|needs a new one|clocks of the broker|name from the certificate)/,
    cause: "The broker's certificate is not trusted",
  },
  {
    code: 'kafka_tls_client',
    said: /^TLS: .*KAFKA_SSL_CERT_FILE/,
    cause: 'The broker asks for a certificate',
  },
  {
    code: 'kafka_tls_required',
    said: /^TLS: the broker requires it/,
    cause: 'The broker speaks only TLS here',
  },
  {
    code: 'kafka_tls_not_spoken',
    said: /^TLS: the broker does not use it/,
    cause: 'The broker speaks no TLS here',
  },
  {
    code: 'kafka_protocol',
    said: /another protocol on this port/,
    cause: 'The broker hangs up',
  },
  {
    code: 'kafka_login',
    said: /SASL authentication failed/,
    cause: 'Kafka does not accept the login',
    next: 'Correct KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD, or what the token server says of KAFKA_OAUTH_*',
  },
  {
    code: 'kafka_login_mechanism',
    said: /does not support this KAFKA_SASL_MECHANISM/,
    cause: 'Kafka does not have this kind of login',
    next: 'Set KAFKA_SASL_MECHANISM to one that it supports',
  },
  {
    code: 'kafka_login_not_used',
    said: /^SASL: the broker does not use it/,
    cause: 'The broker wants no login here',
  },
  {
    code: 'kafka_topic_rights',
    said: /(Topic|Cluster) authorization failed|may not be created/i,
    cause: 'This user lacks a right on a topic',
    next: 'Give it the rights of docs/kafka.md with kafka-acls.sh --add --allow-principal …',
  },
  {
    code: 'kafka_group_rights',
    said: /(Group authorization|GROUP_AUTHORIZATION).*failed|not authorized to access group/i,
    cause: 'This user may not use the consumer group',
    next: 'Allow it with kafka-acls.sh --add --allow-principal … --operation Read --group …',
  },
  {
    code: 'kafka_replicas',
    said: /replicas in sync|has no leader/,
    cause: 'Too many brokers with replicas of the topic are down',
    next: 'Bring these brokers back; until then nothing can be written',
  },
  {
    code: 'kafka_quota',
    said: /quota|throttl/i,
    cause: 'Kafka slows this client down',
    next: 'Raise its quota with kafka-configs.sh',
  },
  {
    code: 'topic_settings',
    said: /^Topic \S+ (takes records|has cleanup)/,
    cause: 'A setting of a topic will lose or refuse records',
  },
  {
    code: 'topic_missing',
    said: /topic \S+ is missing/,
    cause: 'The topic is gone',
    next: 'Create it, or give this user the right to; a running Footfall creates it again by itself',
  },
  {
    code: 'kafka_name_unknown',
    said: /ENOTFOUND|EAI_AGAIN/,
    cause: 'The name of a broker is unknown',
    next: 'Correct KAFKA_BROKERS, or advertised.listeners of the broker, or the DNS of this machine',
  },
  {
    code: 'kafka_refused',
    said: /ECONNREFUSED/,
    cause: 'Nothing listens at the address of a broker',
    next: 'Start Kafka, or correct KAFKA_BROKERS and advertised.listeners of the broker',
  },
  {
    code: 'kafka_unreachable',
    said: /no answer within|timed? ?out|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ECONNRESET/i,
    cause: 'Kafka does not answer',
    next: 'Check that KAFKA_BROKERS leads to Kafka, and look at firewalls and at the load of the brokers',
  },
];
