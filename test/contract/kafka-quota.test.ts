import { randomUUID } from 'node:crypto';
import { describe, expect, inject, it } from 'vitest';
import { unwrapReceipts } from '../../src/log/event-log.ts';
import { kafkaLogOptions, newTopic, openAdmin, openKafkaLog } from '../support/kafka-log.ts';

/** Kafka looks at ten seconds: of two records of this size the second is over. */
const RATE = 10_000;
const RECORD_BYTES = 52_000;

// Left out only where there is no Java, and said so; with CI=true that is an error instead.
// Only where there is no Java to run Kafka, which is an error in CI (test/support/servers.ts).
describe.skipIf(inject('kafka4') === undefined)('a client whose quota is used up', () => {
  const bootstrap = inject('kafka4')!;

  it('reads a record once it may, and does not take it for one that is gone', async () => {
    const [topic, clientId] = [newTopic(), randomUUID()];
    const writer = openKafkaLog(kafkaLogOptions(bootstrap, topic));
    const record = { topic, key: null, value: Buffer.alloc(RECORD_BYTES, 'v'), headers: [] };
    const positions = unwrapReceipts(await writer.append([record]));
    await openAdmin(bootstrap).alterClientQuotas({
      entries: [
        {
          entities: [{ entityType: 'client-id', entityName: clientId }],
          ops: [{ key: 'consumer_byte_rate', value: RATE, remove: false }],
        },
      ],
    });
    const log = openKafkaLog({ ...kafkaLogOptions(bootstrap, topic), clientId });
    for (const time of ['first', 'second']) {
      const [read] = await log.read(topic, positions);
      expect(read?.value?.length, time).toBe(RECORD_BYTES);
    }
  });
});
