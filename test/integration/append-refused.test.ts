import { describe, expect, inject, it } from 'vitest';
import { openAdmin } from '../support/kafka-log.ts';
import { kafkaAndPostgres } from '../support/kafka-postgres.ts';
import { post, serviceHere } from '../support/service.ts';

const EVENT = { userId: 'ada', eventType: 'LOGIN', payload: {} };
const TOPIC = 2;
const SET = 0;

async function logOf(url: string): Promise<{ status: number; log: { ok: boolean; reason?: string } }> {
  const response = await fetch(`${url}/readyz`);
  const { log } = (await response.json()) as { log: { ok: boolean; reason?: string } };
  return { status: response.status, log };
}

describe.skipIf(inject('kafka4') === undefined)('where Kafka answers and takes no record', () => {
  const bootstrap = inject('kafka4')!;

  it('/readyz says so, as for a clock that is off, and says so no more once one is taken', async () => {
    const settings = await kafkaAndPostgres();
    const { url } = await serviceHere(settings);
    expect((await post(url, EVENT)).status).toBe(201);
    const admin = openAdmin(bootstrap);
    const acceptAges = (value: string) =>
      admin.incrementalAlterConfigs({
        resources: [
          {
            resourceType: TOPIC,
            resourceName: settings.KAFKA_TOPIC,
            configs: [{ name: 'message.timestamp.before.max.ms', configOperation: SET, value }],
          },
        ],
      });
    // Every record is older than that, as every one is too new for a broker whose clock is behind.
    await acceptAges('0');
    const refused = async () => {
      await post(url, EVENT);
      return logOf(url);
    };
    await expect.poll(refused).toEqual({
      status: 503,
      log: {
        ok: false,
        reason: expect.stringMatching(
          /could not be appended: .*timestamp of the message is out of acceptable range/,
        ),
      },
    });
    await acceptAges('86400000');
    await expect.poll(async () => (await post(url, EVENT)).status).toBe(201);
    expect((await logOf(url)).log).toEqual({ ok: true });
  });
});
