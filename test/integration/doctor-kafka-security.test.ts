import { AclOperations, AclPermissionTypes, ResourcePatternTypes, ResourceTypes } from '@platformatic/kafka';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { makeAuthority } from '../../src/cli/kafka/certificates.ts';
import { hasProgram } from '../support/certificates.ts';
import { firstCode, type Patient, type Row } from '../support/doctor.ts';
import { newTopic, openAdmin } from '../support/kafka-log.ts';
import {
  LISTENERS,
  type ListenerName,
  PASSWORDS,
  type SecuredKafka,
  startSecuredKafka,
} from '../support/secured-kafka.ts';
import { tempFolder } from '../support/temp-folder.ts';

type Env = Record<string, string>;

const canRun =
  inject('kafka4') !== undefined && hasProgram('openssl', 'version', "the doctor's tests of TLS and SASL");

describe.skipIf(!canRun)('the first line of the doctor names what is wrong with', () => {
  let kafka: SecuredKafka;
  beforeAll(async () => {
    kafka = await startSecuredKafka();
  });
  afterAll(() => kafka.stop());

  /** The settings for a listener, those that are right unless others are given. */
  function settings(listener: ListenerName, more: Env = {}): Patient {
    const env: Env = {
      PORT: '0',
      DATABASE_URL: 'memory:',
      KAFKA_BROKERS: kafka.at(listener),
      KAFKA_SECURITY_PROTOCOL: LISTENERS[listener],
      KAFKA_SSL_CA_FILE: kafka.certificates.ca,
      ...more,
    };
    if (!env.KAFKA_SECURITY_PROTOCOL!.includes('SSL')) delete env.KAFKA_SSL_CA_FILE;
    return { env };
  }

  const login = (user: keyof typeof PASSWORDS, password = PASSWORDS[user]) => ({
    KAFKA_SASL_MECHANISM: 'SCRAM-SHA-256',
    KAFKA_SASL_USERNAME: user,
    KAFKA_SASL_PASSWORD: password,
  });

  /** A user that has these rights, with its topics there. */
  async function limited(rights: { onTopics: boolean; onGroup: boolean }): Promise<Patient> {
    const [topic, admin] = [newTopic(), openAdmin(kafka.bootstrap)];
    await admin.createTopics({ topics: [topic, `${topic}.dlt`], partitions: 1, replicas: 1 });
    const allowed = {
      principal: 'User:limited',
      host: '*',
      permissionType: AclPermissionTypes.ALLOW,
      resourceName: topic,
      resourcePatternType: ResourcePatternTypes.PREFIXED,
    };
    const onTopics = [AclOperations.READ, AclOperations.WRITE].map((operation) => {
      return { ...allowed, resourceType: ResourceTypes.TOPIC, operation };
    });
    const onGroup = [{ ...allowed, resourceType: ResourceTypes.GROUP, operation: AclOperations.READ }];
    const creations = [...(rights.onTopics ? onTopics : []), ...(rights.onGroup ? onGroup : [])];
    await admin.createAcls({ creations });
    return settings('LOGIN', { ...login('limited'), KAFKA_TOPIC: topic, KAFKA_CONSUMER_GROUP: topic });
  }

  const rows: Row[] = [
    [
      'another authority',
      'kafka_tls_untrusted',
      async () => settings('TLS', { KAFKA_SSL_CA_FILE: makeAuthority(await tempFolder()).cert }),
    ],
    [
      'a name that is not in the certificate',
      'kafka_tls_untrusted',
      async () => settings('TLS', { KAFKA_BROKERS: kafka.at('TLS').replace('localhost', '127.0.0.1') }),
    ],
    [
      'no TLS to a port that requires it',
      'kafka_tls_required',
      async () => settings('TLS', { KAFKA_SECURITY_PROTOCOL: 'PLAINTEXT' }),
    ],
    ['no certificate where one is required', 'kafka_tls_client', async () => settings('MUTUAL')],
    ['a wrong password', 'kafka_login', async () => settings('LOGIN', login('footfall', 'wrong'))],
    [
      'a kind of login that is not there',
      'kafka_login_mechanism',
      async () => settings('TOKEN', login('footfall')),
    ],
    ['no rights on topics', 'kafka_topic_rights', () => limited({ onTopics: false, onGroup: true })],
    ['no rights on the group', 'kafka_group_rights', () => limited({ onTopics: true, onGroup: false })],
  ];

  it.each(rows)('%s', async (_what, code, breakIt) => {
    const patient = await breakIt();
    // The broker learns of topics and rights a moment later.
    await expect.poll(() => firstCode(patient)).toBe(code);
  });

  it('nothing where all rights are there', async () => {
    const patient = await limited({ onTopics: true, onGroup: true });
    await expect.poll(() => firstCode(patient)).toBeUndefined();
  });
});
