import { randomUUID } from 'node:crypto';
import { inject } from 'vitest';
import { freshDatabase } from './postgres.ts';

/** Settings of a service on the Kafka and PostgreSQL of the tests, with a topic, a group and a database of its own. */
export async function kafkaAndPostgres() {
  return {
    KAFKA_BROKERS: inject('kafka4')!,
    KAFKA_TOPIC: `events-${randomUUID()}`,
    KAFKA_CONSUMER_GROUP: `group-${randomUUID()}`,
    DATABASE_URL: await freshDatabase(),
  };
}
