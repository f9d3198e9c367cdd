import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Admin } from '@platformatic/kafka';
import { freePort } from '../../src/cli/kafka/free-port.ts';
import { KAFKA_4 } from '../../src/cli/kafka/kafka-jars.ts';
import {
  type Certificates,
  type KafkaListener,
  makeCertificates,
  oauthSettings,
  saslSettings,
  tlsSettings,
} from '../../src/cli/kafka/kafka-listeners.ts';
import { KafkaServer } from '../../src/cli/kafka/kafka-server.ts';
import { loadConfig } from '../../src/config/config.ts';
import type { KafkaLogOptions } from '../../src/log/kafka/kafka-log.ts';
import { openSecurity } from '../../src/log/kafka/security.ts';
import { kafkaLogOptions } from './kafka-log.ts';
import { TokenServer } from './token-server.ts';

export const LISTENERS = {
  TLS: 'SSL',
  /** Asks for a client's certificate. */
  MUTUAL: 'SSL',
  LOGIN: 'SASL_SSL',
  TOKEN: 'SASL_SSL',
  CLEAR: 'SASL_PLAINTEXT',
} as const;
export type ListenerName = keyof typeof LISTENERS;

/** `footfall` may do everything, `limited` only what it is given. */
export const PASSWORDS = { footfall: 'pass-of-footfall', limited: 'pass-of-limited' };

/** A broker with a listener for each kind of security, and what its clients need. */
export interface SecuredKafka {
  folder: string;
  certificates: Certificates;
  tokens: TokenServer;
  /** Of an administrator, without TLS or login. */
  bootstrap: string;
  /** `localhost:port`. */
  at(listener: ListenerName): string;
  stop(): Promise<void>;
}

export async function startSecuredKafka(): Promise<SecuredKafka> {
  const folder = await mkdtemp(join(tmpdir(), 'footfall-secured-'));
  const certificates = makeCertificates(folder);
  const tokens = await TokenServer.start();
  const listeners = await listenersOnFreePorts();
  const [login, clear] = [saslSettings('LOGIN', PASSWORDS), saslSettings('CLEAR', PASSWORDS)];
  const token = oauthSettings('TOKEN', tokens.jwksUrl);
  const server = await KafkaServer.start({
    version: KAFKA_4,
    port: 0,
    dataDir: join(folder, 'kafka'),
    settings: {
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:ANONYMOUS;User:footfall',
      'listener.name.mutual.ssl.client.auth': 'required',
      // A client whose token ends must log in again; this limit makes the broker tell when.
      'listener.name.token.oauthbearer.connections.max.reauth.ms': '3600000',
      'connection.failed.authentication.delay.ms': '10',
    },
    secured: {
      listeners,
      settings: {
        ...tlsSettings(folder, certificates),
        ...login.settings,
        ...clear.settings,
        ...token.settings,
      },
      scram: login.scram,
      javaOptions: token.javaOptions,
    },
  });
  await untilGroupsWork(server.bootstrap);
  return {
    folder,
    certificates,
    tokens,
    bootstrap: server.bootstrap,
    at: (listener) => `localhost:${listeners.find(({ name }) => name === listener)!.port}`,
    stop: async () => {
      await Promise.all([server.stop(), tokens.stop()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The first use of a group creates a topic, and joining fails until that is there. */
async function untilGroupsWork(bootstrap: string): Promise<void> {
  const admin = new Admin({
    clientId: 'operator',
    bootstrapBrokers: [bootstrap],
    retries: true,
    retryDelay: 100,
  });
  await admin.describeGroups({ groups: ['any'] });
  await admin.close();
}

async function listenersOnFreePorts(): Promise<KafkaListener[]> {
  const listeners: KafkaListener[] = [];
  for (const [name, protocol] of Object.entries(LISTENERS)) {
    listeners.push({ name, protocol, port: await freePort() });
  }
  return listeners;
}

/** As the service opens its log with these settings. */
export function securedLogOptions(settings: Record<string, string>, topic: string): KafkaLogOptions {
  const { brokers, kafkaSecurity } = loadConfig(settings);
  const options = kafkaLogOptions(brokers[0]!, topic);
  return { ...options, security: openSecurity(kafkaSecurity, options.logger) };
}
