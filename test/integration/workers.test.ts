import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { expect, inject, it } from 'vitest';
import { freePort } from '../../scripts/kafka-server.ts';
import { createDatabase } from '../../scripts/postgres-server.ts';
import { post } from '../support/service.ts';
import { ServiceProcess } from '../support/service-process.ts';

const brokers = inject('kafka4');

async function settings(): Promise<Record<string, string>> {
  return {
    KAFKA_BROKERS: brokers!,
    KAFKA_TOPIC: `events-${randomUUID()}`,
    KAFKA_CONSUMER_GROUP: `group-${randomUUID()}`,
    KAFKA_CONSUMER_SESSION_TIMEOUT_MS: '6000',
    DATABASE_URL: await createDatabase(inject('postgres')),
    WORKERS: '2',
    // A free one of the system's choice is given back when no process is left that has it.
    PORT: String(await freePort()),
  };
}

/** The processes of an instance, beside the first: two that answer requests, one that processes events. */
function children(service: ServiceProcess): number[] {
  const text = execFileSync('pgrep', ['-P', String(service.pid)], { encoding: 'utf8' });
  return text.trim().split('\n').map(Number);
}

async function total(url: string): Promise<number> {
  return ((await (await fetch(`${url}/events/stats`)).json()) as { total: number }).total;
}

async function sum(url: string, metric: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return [...text.matchAll(new RegExp(`^${metric}(?:\\{[^}]*\\})? (\\d+)$`, 'gm'))]
    .map(([, value]) => Number(value))
    .reduce((all, one) => all + one, 0);
}

async function send(url: string, events: number): Promise<void> {
  const answers = await Promise.all(
    Array.from({ length: events }, (_, user) =>
      post(url, { userId: `u${user}`, eventType: 'LOGIN' }, { Connection: 'close' }),
    ),
  );
  expect(answers.filter(({ status }) => status !== 201)).toEqual([]);
}

it.runIf(brokers)(
  'several processes are one instance: one port, one health, one page of metrics',
  async () => {
    const service = await ServiceProcess.start(await settings());
    await expect.poll(async () => (await service.health()).status).toBe(200);
    await send(service.url, 100);
    await expect.poll(() => total(service.url)).toBe(100);
    // Whoever answers, it answers for all.
    for (const metric of ['events_generated_total', 'events_processed_total'])
      await expect.poll(() => sum(service.url, metric)).toBe(100);
    await expect.poll(() => sum(service.url, 'ledger_records')).toBe(200);
    const published = () => service.lines.filter((line) => line.includes('Event published'));
    await expect.poll(published).toHaveLength(100);
    service.signal('SIGTERM');
    expect(await service.ended).toEqual({ code: 0, signal: null });
    expect(service.lines.filter((line) => line.includes('Footfall has stopped'))).toHaveLength(3);
  },
);

it.runIf(brokers)('a process that dies is begun anew, and nothing is lost', async () => {
  const service = await ServiceProcess.start(await settings());
  await expect.poll(async () => (await service.health()).status).toBe(200);
  for (const pid of children(service)) {
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => children(service)).not.toContain(pid);
    await expect.poll(() => children(service).length).toBe(3);
    await expect.poll(async () => (await service.health()).status).toBe(200);
  }
  await send(service.url, 50);
  await expect.poll(() => total(service.url)).toBe(50);
});

it.runIf(brokers)('what keeps a process from starting ends the instance, with its code', async () => {
  const first = await ServiceProcess.start(await settings());
  const second = await ServiceProcess.spawn({ ...(await settings()), PORT: new URL(first.url).port });
  expect((await second.ended).code).toBe(1);
  expect(second.stderr).toContain('is taken');
});
