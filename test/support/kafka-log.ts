import { randomUUID } from 'node:crypto';
import { Admin, Producer } from '@platformatic/kafka';
import { onTestFinished } from 'vitest';
import { KafkaLog, type KafkaLogOptions } from '../../src/log/kafka/kafka-log.ts';
import { silentLogger } from './logger.ts';
import { PATIENCE_MS } from './patience.ts';

/** Nobody is slow enough to miss it, and it is not too long to wait for where a member could not say goodbye in time. */
export const SESSION_MS = PATIENCE_MS / 3;

/** As the service sets them, for a topic and its dead letters. */
export function kafkaLogOptions(bootstrap: string, topic: string): KafkaLogOptions {
  return {
    brokers: [bootstrap],
    clientId: 'contract',
    instanceId: undefined,
    topics: [
      { name: topic, maxBodyBytes: 1_000_000 },
      { name: `${topic}.dlt`, copiesOf: topic, configs: { 'max.message.bytes': '16000000' } },
    ],
    partitions: 3,
    replication: -1,
    producerRetries: 3,
    producerTimeoutMs: PATIENCE_MS,
    sessionTimeoutMs: SESSION_MS,
    logger: silentLogger,
  };
}

/** A log of the test's own, closed when the test ends. */
export function openKafkaLog(options: KafkaLogOptions): KafkaLog {
  const log = new KafkaLog(options);
  onTestFinished(() => log.close());
  return log;
}

export function newTopic(): string {
  return `events-${randomUUID()}`;
}

/** Somebody with Kafka's own tools. */
export function openAdmin(bootstrap: string): Admin {
  const admin = new Admin({ clientId: 'operator', bootstrapBrokers: [bootstrap] });
  onTestFinished(() => admin.close());
  return admin;
}

/** A record of another producer, in a transaction that stays open until the caller ends it. */
export async function openTransaction(bootstrap: string, topic: string, value: string) {
  const producer = new Producer({
    clientId: 'foreign',
    bootstrapBrokers: [bootstrap],
    idempotent: true,
    transactionalId: `transaction-${randomUUID()}`,
    // Also how long the broker lets the transaction stay open.
    timeout: PATIENCE_MS,
  });
  onTestFinished(() => producer.close());
  const transaction = await producer.beginTransaction();
  await transaction.send({ messages: [{ topic, partition: 0, value: Buffer.from(value) }] });
  return transaction;
}
