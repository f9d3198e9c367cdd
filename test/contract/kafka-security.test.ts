import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createServer, type TLSSocket } from 'node:tls';
import {
  AclOperations,
  type AclOperationValue,
  AclPermissionTypes,
  connectionsConnectsChannel,
  Producer,
  ResourcePatternTypes,
  ResourceTypes,
} from '@platformatic/kafka';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { makeAuthority } from '../../src/cli/kafka/certificates.ts';
import { flattenBatches } from '../../src/log/event-log.ts';
import { appendTo } from '../support/append.ts';
import { hasProgram } from '../support/certificates.ts';
import { newTopic, openAdmin, openKafkaLog } from '../support/kafka-log.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import {
  LISTENERS,
  type ListenerName,
  PASSWORDS,
  type SecuredKafka,
  securedLogOptions,
  startSecuredKafka,
} from '../support/secured-kafka.ts';
import { post, processed, serviceHere } from '../support/service.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { eventLogContract, startAtOffsets } from './event-log.contract.ts';

type Env = Record<string, string>;

const EVENT = { userId: 'carol', eventType: 'LOGIN' };

const canRun =
  inject('kafka4') !== undefined && hasProgram('openssl', 'version', 'the tests of TLS and SASL to Kafka');

// Left out only where there is no Java or openssl, and said so; with CI=true that is an error instead.
describe.skipIf(!canRun)('Kafka with TLS and SASL', () => {
  let kafka: SecuredKafka;
  beforeAll(async () => {
    kafka = await startSecuredKafka();
  });
  afterAll(() => kafka.stop());

  /** The settings for a listener, as somebody writes them. */
  function settings(listener: ListenerName, more: Env = {}): Env {
    const protocol = LISTENERS[listener];
    const tls = protocol === 'SASL_PLAINTEXT' ? {} : { KAFKA_SSL_CA_FILE: kafka.certificates.ca };
    return { KAFKA_BROKERS: kafka.at(listener), KAFKA_SECURITY_PROTOCOL: protocol, ...tls, ...more };
  }

  function login(mechanism: string, password = PASSWORDS.footfall): Env {
    return {
      KAFKA_SASL_MECHANISM: mechanism,
      KAFKA_SASL_USERNAME: 'footfall',
      KAFKA_SASL_PASSWORD: password,
    };
  }

  function token(secret = kafka.tokens.clientSecret): Env {
    return {
      KAFKA_SASL_MECHANISM: 'OAUTHBEARER',
      KAFKA_OAUTH_TOKEN_URL: kafka.tokens.tokenUrl,
      KAFKA_OAUTH_CLIENT_ID: kafka.tokens.clientId,
      KAFKA_OAUTH_CLIENT_SECRET: secret,
      KAFKA_OAUTH_SCOPE: 'kafka events',
    };
  }

  function clientCertificate(): Env {
    const { cert, key } = kafka.certificates.client;
    return { KAFKA_SSL_CERT_FILE: cert, KAFKA_SSL_KEY_FILE: key };
  }

  function open(env: Env, topic = newTopic()) {
    return openKafkaLog(securedLogOptions(env, topic));
  }

  /** Why the log cannot be used; nothing if it can. */
  async function failureOf(env: Env): Promise<string | undefined> {
    return pinged(open(env));
  }

  function pinged(log: ReturnType<typeof open>): Promise<string | undefined> {
    return log.ping(PATIENCE_MS).then(
      () => undefined,
      (error: Error) => error.message,
    );
  }

  it.each([
    ['TLS', () => settings('TLS')],
    ['mutual TLS', () => settings('MUTUAL', clientCertificate())],
    ['PLAIN', () => settings('LOGIN', login('PLAIN'))],
    ['SCRAM-SHA-256', () => settings('LOGIN', login('SCRAM-SHA-256'))],
    ['SCRAM-SHA-512', () => settings('LOGIN', login('SCRAM-SHA-512'))],
    ['SCRAM-SHA-512 without TLS', () => settings('CLEAR', login('SCRAM-SHA-512'))],
  ])('writes, reads as a group and looks up records over %s', async (_way, env) => {
    const topic = newTopic();
    const log = open(env(), topic);
    const values = ['one', 'two'];
    await appendTo(
      log,
      values.map((value) => ({ topic, key: 'alice', value, headers: [] })),
    );
    const leave = new AbortController();
    const onAssigned = async () => startAtOffsets(new Map([[0, 0]]));
    const read: string[] = [];
    const batches = log.subscribe({ topic, group: topic, signal: leave.signal, onAssigned });
    for await (const batch of flattenBatches(batches)) {
      expect(await log.members(topic, topic)).toMatchObject([{ partitions: [0, 1, 2] }]);
      read.push(...batch.records.map(({ value }) => value!.toString()));
      if (read.length === values.length) leave.abort();
    }
    expect(read).toEqual(values);
    expect((await log.ends(topic)).ends.get(0)).toEqual({ end: 2, stable: 2 });
    expect(await log.read(topic, [{ partition: 0, offset: 1 }])).toMatchObject([
      { value: Buffer.from('two') },
    ]);
    expect(await pinged(log)).toBeUndefined();
  });

  describe('with tokens that end every few seconds', () => {
    beforeAll(() => {
      kafka.tokens.lifeSeconds = 4;
    });
    afterAll(() => {
      kafka.tokens.lifeSeconds = 3600;
    });

    eventLogContract(async () => {
      const topic = newTopic();
      const env = settings('TOKEN', token());
      const reopen = async () => openKafkaLog(securedLogOptions(env, topic));
      return { log: await reopen(), topic, otherTopic: `${topic}.dlt`, group: topic, reopen };
    });

    it('logs in again on connections that are open, with the scope that is set', async () => {
      const topic = newTopic();
      const log = open(settings('TOKEN', token()), topic);
      await appendTo(log, [{ topic, key: 'alice', value: 'first', headers: [] }]);
      const connects = countConnects(kafka.at('TOKEN'));
      const asked = kafka.tokens.asked.length;
      let offset = 0;
      const goesOn = async () => {
        const [receipt] = await appendTo(log, [{ topic, key: 'alice', value: 'x', headers: [] }]);
        expect(receipt).toMatchObject({ partition: 0, offset: ++offset });
        return kafka.tokens.asked.length - asked;
      };
      await expect.poll(goesOn).toBeGreaterThanOrEqual(2);
      expect(connects()).toBe(0);
      expect(kafka.tokens.asked.at(-1)!.get('scope')).toBe('kafka events');
    });

    it('keeps a token that is valid while the provider is away, and says so', async () => {
      const env = settings('TOKEN', token());
      const topic = newTopic();
      const log = open(env, topic);
      expect(await pinged(log)).toBeUndefined();
      kafka.tokens.isDown = true;
      try {
        await expect.poll(() => pinged(log)).toMatch(/no token from http.*: it answers 503/);
      } finally {
        kafka.tokens.isDown = false;
      }
      await expect.poll(() => pinged(log)).toBeUndefined();
    });
  });

  it.each<[what: string, env: () => Env, failure: RegExp]>([
    [
      'an authority that is not known',
      () => {
        const { KAFKA_SSL_CA_FILE: _, ...env } = settings('TLS');
        return env;
      },
      /^TLS: unable to verify the first certificate: name the file .* with KAFKA_SSL_CA_FILE$/,
    ],
    [
      'another authority',
      () => {
        const folder = join(kafka.folder, 'other');
        mkdirSync(folder, { recursive: true });
        return settings('TLS', { KAFKA_SSL_CA_FILE: makeAuthority(folder).cert });
      },
      /^TLS: unable to verify the first certificate: /,
    ],
    [
      'another name',
      () => settings('TLS', { KAFKA_BROKERS: kafka.at('TLS').replace('localhost', '127.0.0.1') }),
      /^TLS: Hostname\/IP does not match certificate's altnames: IP: 127\.0\.0\.1 is not in the cert's list: write a name .* in KAFKA_BROKERS$/,
    ],
    [
      'no certificate of its own',
      () => settings('MUTUAL'),
      // Which of the two depends on the broker's Java.
      /^TLS: the broker refuses the connection \("(bad certificate|certificate required)"\): .* KAFKA_SSL_CERT_FILE$/,
    ],
    [
      'a broker that wants TLS',
      () => ({ KAFKA_BROKERS: kafka.at('TLS') }),
      /^TLS: the broker requires it: set KAFKA_SECURITY_PROTOCOL to SSL or SASL_SSL$/,
    ],
    [
      'a broker without TLS',
      () => settings('TLS', { KAFKA_BROKERS: kafka.bootstrap }),
      /^TLS: the broker does not use it on this port: check KAFKA_SECURITY_PROTOCOL and the port/,
    ],
    [
      'a broker that wants a login',
      () => ({ KAFKA_BROKERS: kafka.at('CLEAR') }),
      /^Connection closed by the broker, .*: check KAFKA_SECURITY_PROTOCOL and the port in KAFKA_BROKERS$/,
    ],
    [
      'a broker that wants none',
      () => settings('LOGIN', { ...login('PLAIN'), KAFKA_BROKERS: kafka.at('TLS') }),
      /^SASL: the broker does not use it on this port: check KAFKA_SECURITY_PROTOCOL/,
    ],
    [
      'a wrong password (PLAIN)',
      () => settings('LOGIN', login('PLAIN', 'wrong')),
      /^SASL authentication failed: Authentication failed: Invalid username or password$/,
    ],
    [
      'a wrong password (SCRAM)',
      () => settings('LOGIN', login('SCRAM-SHA-512', 'wrong')),
      /^SASL authentication failed: .*invalid credentials with SASL mechanism SCRAM-SHA-512$/,
    ],
    [
      'a mechanism the broker does not have',
      () => settings('TOKEN', login('PLAIN')),
      /^SASL: the broker does not support this KAFKA_SASL_MECHANISM: it supports OAUTHBEARER$/,
    ],
    [
      'a wrong client secret',
      () => settings('TOKEN', token('wrong')),
      /^SASL authentication failed: no token from http.*: it answers 401, invalid_client, unknown client or secret$/,
    ],
  ])('names what is wrong: %s', async (_what, env, failure) => {
    expect(await failureOf(env())).toMatch(failure);
  });

  it('names a token that the broker does not accept', async () => {
    kafka.tokens.isForged = true;
    const failure = await failureOf(settings('TOKEN', token()));
    kafka.tokens.isForged = false;
    expect(failure).toBe('SASL authentication failed: the broker refuses the token: invalid_token');
  });

  it('says in the handshake which name it looks for, where that is none of a number', async () => {
    const { cert, key } = kafka.certificates.broker;
    const names: (string | false | null)[] = [];
    const peer = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (socket) => {
      names.push((socket as TLSSocket & { servername: string | false }).servername);
      socket.destroy();
    });
    await once(peer.listen(0, '127.0.0.1'), 'listening');
    onTestFinished(() => void peer.close());
    const { port } = peer.address() as AddressInfo;
    await failureOf(settings('TLS', { KAFKA_BROKERS: `localhost:${port}` }));
    expect(names).toContain('localhost');
    expect(await failureOf(settings('TLS', { KAFKA_BROKERS: `127.0.0.1:${port}` }))).toMatch(/altnames/);
  });

  it('reads passwords and certificates again for new connections, and keeps the old ones meanwhile', async () => {
    const folder = await tempFolder();
    const [ca, password] = [join(folder, 'ca.pem'), join(folder, 'password')];
    copyFileSync(makeAuthority(folder, 'other').cert, ca);
    writeFileSync(password, 'wrong');
    const { KAFKA_SASL_PASSWORD: _, ...user } = login('SCRAM-SHA-256');
    const log = open(
      settings('LOGIN', { ...user, KAFKA_SSL_CA_FILE: ca, KAFKA_SASL_PASSWORD_FILE: password }),
    );
    expect(await pinged(log)).toMatch(/^TLS: /);
    copyFileSync(kafka.certificates.ca, ca);
    expect(await pinged(log)).toMatch(/^SASL authentication failed/);
    writeFileSync(password, `${PASSWORDS.footfall}\n`);
    writeFileSync(ca, 'half a file');
    expect(await pinged(log)).toBeUndefined();
  });

  describe('the service', () => {
    it.each<[mechanism: string, listener: ListenerName, env: () => Env, failure: RegExp]>([
      ['PLAIN', 'LOGIN', () => login('PLAIN', 'a-wrong-secret'), /Invalid username or password$/],
      ['SCRAM-SHA-512', 'LOGIN', () => login('SCRAM-SHA-512', 'a-wrong-secret'), /invalid credentials/],
      ['OAUTHBEARER', 'TOKEN', () => token('a-wrong-secret'), /invalid_client/],
    ])('says in /readyz why %s fails, and nowhere the secret', async (_mechanism, listener, env, failure) => {
      const said: string[] = [];
      const logger = pino({ level: 'trace' }, { write: (line) => said.push(line) });
      const { url } = await serviceHere(settings(listener, env()), { logger });
      const posted = await post(url, EVENT);
      expect(posted.status).toBe(500);
      const ready = await fetch(`${url}/readyz`);
      expect(ready.status).toBe(503);
      const { log, consumer } = await answerOf(ready);
      expect(log.reason).toMatch(/^SASL authentication failed: /);
      expect(log.reason).toMatch(failure);
      await expect.poll(async () => (await readiness(url)).consumer.reason).toMatch(failure);
      said.push(await posted.text(), JSON.stringify([log, consumer]));
      expect(said.filter((line) => /a-wrong-secret/.test(line))).toEqual([]);
    });

    it('does not start on files that it cannot use, and names the setting', async () => {
      const { ca, client, broker } = kafka.certificates;
      const start = (env: Env) => serviceHere(settings('TLS', env));
      await expect(start({ KAFKA_SSL_CA_FILE: '/nowhere/ca.pem' })).rejects.toThrow(
        /KAFKA_SSL_CA_FILE cannot be read: ENOENT.*ca\.pem/,
      );
      await expect(start({ KAFKA_SSL_CA_FILE: client.key })).rejects.toThrow(
        'KAFKA_SSL_CA_FILE cannot be used: it holds no certificate in PEM form',
      );
      await expect(
        start({ KAFKA_SSL_CERT_FILE: client.cert, KAFKA_SSL_KEY_FILE: broker.key }),
      ).rejects.toThrow('KAFKA_SSL_KEY_FILE does not belong to the certificate in KAFKA_SSL_CERT_FILE');
      await expect(start({ KAFKA_SSL_CERT_FILE: client.cert, KAFKA_SSL_KEY_FILE: ca })).rejects.toThrow(
        /KAFKA_SSL_KEY_FILE cannot be used/,
      );
    });

    describe('with a user that may do little', () => {
      /** The service as a user that may only do this with its topics and its group. */
      async function limited(
        rights: { topic?: AclOperationValue[]; group?: boolean },
        { exist }: { exist: boolean } = { exist: true },
      ) {
        const [topic, admin] = [newTopic(), openAdmin(kafka.bootstrap)];
        if (exist) await admin.createTopics({ topics: [topic, `${topic}.dlt`], partitions: 3, replicas: 1 });
        const allowed = {
          principal: 'User:limited',
          host: '*',
          permissionType: AclPermissionTypes.ALLOW,
          resourceName: topic,
        };
        const creations = (rights.topic ?? []).map((operation) => ({
          ...allowed,
          resourceType: ResourceTypes.TOPIC,
          resourcePatternType: ResourcePatternTypes.PREFIXED,
          operation,
        }));
        const group = {
          ...allowed,
          resourceType: ResourceTypes.GROUP,
          resourcePatternType: ResourcePatternTypes.LITERAL,
          operation: AclOperations.READ,
        };
        await admin.createAcls({ creations: rights.group ? [...creations, group] : creations });
        const user = { ...login('SCRAM-SHA-256', PASSWORDS.limited), KAFKA_SASL_USERNAME: 'limited' };
        const env = settings('LOGIN', { ...user, KAFKA_TOPIC: topic, KAFKA_CONSUMER_GROUP: topic });
        return { env, topic };
      }

      async function limitedService(...given: Parameters<typeof limited>) {
        const { env, topic } = await limited(...given);
        const { url } = await serviceHere(env);
        return { url, topic };
      }

      it('scans a topic that it may read, whatever it may do with groups', async () => {
        const { env, topic } = await limited({ topic: [AclOperations.READ] });
        const foreign = new Producer({ clientId: 'foreign', bootstrapBrokers: [kafka.bootstrap] });
        onTestFinished(() => foreign.close());
        await foreign.send({ messages: [{ topic, partition: 0, value: Buffer.from('any') }], acks: -1 });
        const log = open(env, topic);
        expect((await log.starts(topic)).starts.get(0)).toBe(0);
        const scanned = (await Array.fromAsync(log.scan(topic))).flatMap(({ records }) => records);
        expect(scanned.map(({ value }) => value!.toString())).toEqual(['any']);
      });

      it('works with Read and Write on its topics and Read on its group', async () => {
        const { url, topic } = await limitedService({
          topic: [AclOperations.READ, AclOperations.WRITE],
          group: true,
        });
        await expect.poll(async () => (await fetch(`${url}/health`)).status).toBe(200);
        expect((await post(url, EVENT)).status).toBe(201);
        await expect.poll(() => processed(url)).toHaveLength(1);
        const foreign = new Producer({ clientId: 'foreign', bootstrapBrokers: [kafka.bootstrap] });
        onTestFinished(() => foreign.close());
        await foreign.send({ messages: [{ topic, partition: 0, value: Buffer.from('no event') }], acks: -1 });
        const deadLetters = async () => {
          const response = await fetch(`${url}/dead-letters`);
          return ((await response.json()) as { deadLetters: { id: string }[] }).deadLetters;
        };
        await expect.poll(deadLetters).toHaveLength(1);
        const redriven = await fetch(`${url}/dead-letters/redrive`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify({ ids: (await deadLetters()).map(({ id }) => id) }),
        });
        expect([redriven.status, await redriven.json()]).toMatchObject([200, { redriven: 1 }]);
        const groups = await fetch(`${url}/consumer-groups`);
        expect([groups.status, await groups.text()]).toEqual([200, expect.stringContaining(topic)]);
      });

      it('creates its topics with Create on their prefix', async () => {
        const { url, topic } = await limitedService(
          { topic: [AclOperations.READ, AclOperations.WRITE, AclOperations.CREATE], group: true },
          { exist: false },
        );
        await expect.poll(async () => (await fetch(`${url}/health`)).status).toBe(200);
        const { topics } = await openAdmin(kafka.bootstrap).metadata({ topics: [`${topic}.dlt`] });
        expect(topics.get(`${topic}.dlt`)!.partitionsCount).toBe(3);
      });

      it.each<[what: string, rights: AclOperationValue[] | undefined, reason: (topic: string) => string]>([
        ['its topics', undefined, (topic) => `Topic authorization failed: ${topic}`],
        [
          'writing',
          [AclOperations.READ],
          (topic) => `Topic authorization failed: ${topic} (Write), ${topic}.dlt (Write)`,
        ],
        [
          'reading',
          [AclOperations.WRITE],
          (topic) => `Topic authorization failed: ${topic} (Read), ${topic}.dlt (Read)`,
        ],
      ])('names it where it is not allowed %s', async (_what, rights, reason) => {
        const { url, topic } = await limitedService({ ...(rights && { topic: rights }), group: true });
        await expect.poll(async () => (await readiness(url)).log.reason).toBe(reason(topic));
      });

      it('names its group where it may not read as that', async () => {
        const { url, topic } = await limitedService({ topic: [AclOperations.READ, AclOperations.WRITE] });
        await expect
          .poll(async () => (await readiness(url)).consumer.reason)
          .toMatch(new RegExp(`Group authorization failed: ${topic}`));
      });
    });
  });
});

/** How often clients of this process have connected to an address since. */
function countConnects(address: string): () => number {
  let count = 0;
  const onConnect = (message: unknown) => {
    const { host, port } = message as { host: string; port: number };
    if (`${host}:${port}` === address) count++;
  };
  connectionsConnectsChannel.start.subscribe(onConnect);
  onTestFinished(() => void connectionsConnectsChannel.start.unsubscribe(onConnect));
  return () => count;
}

interface Readiness {
  log: { reason?: string };
  consumer: { reason?: string };
}

async function answerOf(response: Response): Promise<Readiness> {
  return (await response.json()) as Readiness;
}

async function readiness(url: string): Promise<Readiness> {
  return answerOf(await fetch(`${url}/readyz`));
}
