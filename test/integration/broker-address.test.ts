import { join } from 'node:path';
import { expect, inject, it, onTestFinished } from 'vitest';
import { freePort } from '../../src/cli/kafka/free-port.ts';
import { KAFKA_4 } from '../../src/cli/kafka/kafka-jars.ts';
import { KafkaServer } from '../../src/cli/kafka/kafka-server.ts';
import { post, processed } from '../support/service.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { tempFolder } from '../support/temp-folder.ts';

const EVENT = { userId: 'alice', eventType: 'LOGIN' };
/** Longer than any test waits: what is stored in time did not wait for a session to end. */
const LONGEST_SESSION = { KAFKA_CONSUMER_SESSION_TIMEOUT_MS: '1800000' };

// Left out only where there is no Java, and said so; with CI=true that is an error instead.
it.skipIf(inject('kafka4') === undefined)(
  'a broker that comes back at another address is read from at once, and nothing else is blamed',
  async () => {
    const [dataDir, before, after] = [join(await tempFolder(), 'kafka'), await freePort(), await freePort()];
    const broker = await KafkaServer.start({ version: KAFKA_4, port: before, dataDir });
    onTestFinished(() => broker.stop());
    const service = await ServiceProcess.start({
      KAFKA_BROKERS: `127.0.0.1:${before},127.0.0.1:${after}`,
      DATABASE_URL: 'memory:',
      ...LONGEST_SESSION,
    });
    await expect.poll(async () => (await post(service.url, EVENT)).status).toBe(201);
    await expect.poll(async () => (await processed(service.url)).length).toBeGreaterThan(0);
    // What could not be published at first may be there all the same.
    const stored = (await processed(service.url)).length;
    const said = service.lines.length;
    await broker.stop();
    await expect
      .poll(() => service.lines.slice(said).some((line) => line.includes('the log cannot be read')))
      .toBe(true);
    const moved = await KafkaServer.start({ version: KAFKA_4, port: after, dataDir });
    onTestFinished(() => moved.stop());
    await expect.poll(async () => (await post(service.url, EVENT)).status).toBe(201);
    await expect.poll(async () => (await processed(service.url)).length).toBeGreaterThan(stored);
    await expect.poll(async () => (await service.health()).status).toBe(200);
    expect(service.lines.filter((line) => line.includes('No records are delivered'))).toEqual([]);
  },
);
