import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { issueCertificate, joinPair, makeAuthority, type Pair } from './certificates.ts';

/** A way into a broker, besides the plain one that the broker itself uses. */
export interface KafkaListener {
  /** In capital letters. */
  name: string;
  protocol: 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL';
  port: number;
}

/** Broker settings for listeners with TLS or SASL. */
export interface SecuredBroker {
  listeners: KafkaListener[];
  settings: Record<string, string>;
  /** Users of SCRAM, as `kafka-storage format --add-scram` takes them. */
  scram: string[];
  javaOptions: string[];
}

export interface Certificates {
  /** File of the authority that all of them come from. */
  ca: string;
  broker: Pair;
  client: Pair;
}

/** For a broker that is called localhost, and a client that is called footfall. Needs openssl. */
export function makeCertificates(folder: string): Certificates {
  const authority = makeAuthority(folder);
  return {
    ca: authority.cert,
    broker: issueCertificate(folder, authority, 'broker', 'localhost'),
    client: issueCertificate(folder, authority, 'client', 'footfall'),
  };
}

export function tlsSettings(folder: string, { ca, broker }: Certificates): Record<string, string> {
  return {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': joinPair(folder, 'broker', broker),
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': ca,
    // A client's certificate names a user: CN=footfall is User:footfall.
    'ssl.principal.mapping.rules': 'RULE:^CN=([^,]*).*$/$1/',
  };
}

const LOGIN_MODULES = 'org.apache.kafka.common.security';
const SCRAM = ['SCRAM-SHA-256', 'SCRAM-SHA-512'];

/** PLAIN and SCRAM for these users, with the same passwords. */
export function saslSettings(
  listener: string,
  users: Record<string, string>,
): Pick<SecuredBroker, 'settings' | 'scram'> {
  const prefix = `listener.name.${listener.toLowerCase()}`;
  const known = Object.entries(users).map(([name, password]) => `user_${name}="${password}"`);
  return {
    settings: {
      [`${prefix}.sasl.enabled.mechanisms`]: ['PLAIN', ...SCRAM].join(','),
      [`${prefix}.plain.sasl.jaas.config`]: `${LOGIN_MODULES}.plain.PlainLoginModule required ${known.join(' ')};`,
      ...Object.fromEntries(
        SCRAM.map((mechanism) => [
          `${prefix}.${mechanism.toLowerCase()}.sasl.jaas.config`,
          `${LOGIN_MODULES}.scram.ScramLoginModule required;`,
        ]),
      ),
    },
    scram: SCRAM.flatMap((mechanism) =>
      Object.entries(users).map(([name, password]) => `${mechanism}=[name=${name},password=${password}]`),
    ),
  };
}

/** OAUTHBEARER with tokens that are signed with a key of `jwksUrl`; their `sub` is the user. */
export function oauthSettings(
  listener: string,
  jwksUrl: string,
): Pick<SecuredBroker, 'settings' | 'javaOptions'> {
  const prefix = `listener.name.${listener.toLowerCase()}`;
  const oauth = `${LOGIN_MODULES}.oauthbearer`;
  return {
    settings: {
      [`${prefix}.sasl.enabled.mechanisms`]: 'OAUTHBEARER',
      [`${prefix}.oauthbearer.sasl.jaas.config`]: `${oauth}.OAuthBearerLoginModule required;`,
      [`${prefix}.oauthbearer.sasl.server.callback.handler.class`]: `${oauth}.OAuthBearerValidatorCallbackHandler`,
      'sasl.oauthbearer.jwks.endpoint.url': jwksUrl,
      // The default does not check signatures, and neither setting is read with the prefix of a listener.
      'sasl.oauthbearer.jwt.validator.class': `${oauth}.BrokerJwtValidator`,
    },
    // Since Kafka 4, a broker asks only addresses that are allowed on its command line.
    javaOptions: [`-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=${jwksUrl}`],
  };
}

const DEVELOPMENT_USER = 'footfall';
const DEVELOPMENT_PASSWORD = 'footfall-secret';

/**
 * A single listener for development, whose certificates are made once.
 *
 * @returns also the settings of Footfall for it
 */
export function developmentBroker(
  dataDir: string,
  { port, tls, sasl }: { port: number; tls: boolean; sasl: boolean },
): { secured: SecuredBroker; env: Record<string, string> } {
  const folder = join(dataDir, 'certificates');
  const protocol = sasl ? (tls ? 'SASL_SSL' : 'SASL_PLAINTEXT') : 'SSL';
  const login = saslSettings('CLIENTS', { [DEVELOPMENT_USER]: DEVELOPMENT_PASSWORD });
  const certificates = tls ? certificatesIn(folder) : undefined;
  return {
    secured: {
      listeners: [{ name: 'CLIENTS', protocol, port }],
      settings: {
        ...(certificates && { ...tlsSettings(folder, certificates), 'ssl.client.auth': 'requested' }),
        ...(sasl && login.settings),
      },
      scram: sasl ? login.scram : [],
      javaOptions: [],
    },
    env: {
      KAFKA_BROKERS: `localhost:${port}`,
      KAFKA_SECURITY_PROTOCOL: protocol,
      ...(certificates && { KAFKA_SSL_CA_FILE: certificates.ca }),
      ...(sasl && {
        KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512',
        KAFKA_SASL_USERNAME: DEVELOPMENT_USER,
        KAFKA_SASL_PASSWORD: DEVELOPMENT_PASSWORD,
      }),
    },
  };
}

function certificatesIn(folder: string): Certificates {
  const pair = (name: string) => ({ cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) });
  const made = { ca: pair('ca').cert, broker: pair('broker'), client: pair('client') };
  if (existsSync(made.client.cert)) return made;
  mkdirSync(folder, { recursive: true });
  return makeCertificates(folder);
}
