import { randomUUID } from 'node:crypto';
import { describe, expect, inject, it } from 'vitest';
import { unwrapReceipts } from '../../src/log/event-log.ts';
import { kafkaLogOptions, newTopic, openAdmin, openKafkaLog } from '../support/kafka-log.ts';
import { kafkaAndPostgres } from '../support/kafka-postgres.ts';
import { listeningLogger } from '../support/logger.ts';
import { post, processed, serviceHere } from '../support/service.ts';

/** Kafka looks at ten seconds: at 10 kB a second, the second of two records of this size is over; at 20 kB, the fourth. */
const RECORD_BYTES = 52_000;
const USERS = 6;

function limitReading(clientId: string, rate: number): Promise<unknown> {
  const entities = [{ entityType: 'client-id' as const, entityName: clientId }];
  const ops = [{ key: 'consumer_byte_rate' as const, value: rate, remove: false as const }];
  return openAdmin(inject('kafka4')!).alterClientQuotas({ entries: [{ entities, ops }] });
}

// Only where there is no Java to run Kafka, which is an error in CI (test/support/servers.ts).
describe.skipIf(inject('kafka4') === undefined)('a client whose quota is used up', () => {
  const bootstrap = inject('kafka4')!;

  it('reads a record once it may, and does not take it for one that is gone', async () => {
    const [topic, clientId] = [newTopic(), randomUUID()];
    const writer = openKafkaLog(kafkaLogOptions(bootstrap, topic));
    const record = { topic, key: null, value: Buffer.alloc(RECORD_BYTES, 'v'), headers: [] };
    const positions = unwrapReceipts(await writer.append([record]));
    await limitReading(clientId, 10_000);
    const log = openKafkaLog({ ...kafkaLogOptions(bootstrap, topic), clientId });
    for (const time of ['first', 'second']) {
      const [read] = await log.read(topic, positions);
      expect(read?.value?.length, time).toBe(RECORD_BYTES);
    }
  });

  it('stores what waits as fast as it may read, and does not take the silence for a broken connection', async () => {
    const settings = await kafkaAndPostgres();
    const writer = await serviceHere({ ...settings, ROLE: 'api' });
    const payload = { text: 'v'.repeat(RECORD_BYTES) };
    for (let user = 0; user < USERS; user++) {
      expect((await post(writer.url, { userId: `user-${user}`, eventType: 'LOGIN', payload })).status).toBe(
        201,
      );
    }
    const INSTANCE_ID = randomUUID();
    await limitReading(INSTANCE_ID, 20_000);
    const { logger, lines } = listeningLogger();
    logger.level = 'debug';
    const { url } = await serviceHere({ ...settings, INSTANCE_ID }, { logger });
    await expect.poll(async () => (await processed(url)).length).toBe(USERS);
    const said = lines.map(({ msg }) => msg);
    expect(said).toContain('a quota holds reading back');
    // Joining again would throw away what was read, and start with a quota that is used up.
    expect(said.join()).not.toMatch(/cannot be read|joining the group again/);
  });
});
