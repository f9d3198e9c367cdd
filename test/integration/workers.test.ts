import { execFileSync } from 'node:child_process';
import { randomUUID, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { expect, inject, it, onTestFinished } from 'vitest';
import { createDatabase } from '../../scripts/postgres-server.ts';
import { createKey } from '../../src/access/api-keys.ts';
import { freePort } from '../../src/cli/kafka/free-port.ts';
import { hasProgram, makeCertificate } from '../support/certificates.ts';
import { post } from '../support/service.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { tempFolder } from '../support/temp-folder.ts';

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
    const text = await (await fetch(`${service.url}/metrics`)).text();
    for (const role of ['api', 'consumer'])
      expect(text).toContain(`footfall_process_start_time_seconds{role="${role}"}`);
    for (const metric of ['footfall_events_generated_total', 'footfall_events_processed_total'])
      await expect.poll(() => sum(service.url, metric)).toBe(100);
    await expect.poll(() => sum(service.url, 'footfall_ledger_records')).toBe(200);
    const published = () => service.lines.filter((line) => line.includes('Event published'));
    await expect.poll(published).toHaveLength(100);
    service.signal('SIGTERM');
    expect(await service.ended).toEqual({ code: 0, signal: null });
    expect(service.lines.filter((line) => line.includes('Footfall has stopped'))).toHaveLength(3);
  },
);

it.runIf(brokers)('a process that dies is started again, and nothing is lost', async () => {
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

/** The status of a request with this key on a connection of its own, and the certificate it was answered with. */
function ask(port: string, key: string): Promise<string> {
  return new Promise((resolve, reject) => {
    // Which authority has signed it does not matter here.
    const options = { port, path: '/event-types', agent: false, rejectUnauthorized: false };
    const sent = get({ ...options, headers: { 'X-API-Key': key } }, (answer) => {
      const { serialNumber } = (answer.socket as TLSSocket).getPeerCertificate();
      answer.resume().on('end', () => resolve(`${answer.statusCode} ${serialNumber}`));
    });
    sent.on('error', reject);
  });
}

it.runIf(brokers && hasProgram('openssl', 'version', 'the test of certificates in several processes'))(
  'SIGHUP reloads keys and certificate in every process',
  async () => {
    const folder = await tempFolder();
    const keys = join(folder, 'keys.json');
    const [old, renewed] = ['old', 'renewed'].map((name) => createKey({ name, scopes: ['read'] })) as [
      ReturnType<typeof createKey>,
      ReturnType<typeof createKey>,
    ];
    writeFileSync(keys, JSON.stringify([old.entry]));
    const { cert, key } = makeCertificate(folder);
    const https = { HTTPS_CERT_FILE: cert, HTTPS_KEY_FILE: key };
    const service = await ServiceProcess.start({ ...(await settings()), ...https, API_KEYS_FILE: keys });
    const { port } = new URL(service.url);
    // Each connection is answered by whichever process takes it.
    const answers = async (apiKey: string) =>
      new Set(await Promise.all(Array.from({ length: 40 }, () => ask(port, apiKey))));
    const [before] = await answers(old.key);
    expect(before).toMatch(/^200 /);

    makeCertificate(folder);
    writeFileSync(keys, JSON.stringify([renewed.entry]));
    service.signal('SIGHUP');
    const serial = new X509Certificate(readFileSync(cert)).serialNumber;
    expect(before).not.toContain(serial);
    await expect.poll(() => answers(old.key)).toEqual(new Set([`401 ${serial}`]));
    expect(await answers(renewed.key)).toEqual(new Set([`200 ${serial}`]));
  },
);

it.runIf(brokers)('metrics that one of the processes does not tell are not answered without it', async () => {
  const service = await ServiceProcess.start(await settings());
  await expect.poll(async () => (await service.health()).status).toBe(200);
  const consumer = children(service).at(-1)!;
  process.kill(consumer, 'SIGSTOP');
  onTestFinished(() => {
    process.kill(consumer, 'SIGCONT');
  });
  expect((await fetch(`${service.url}/metrics`)).status).toBe(500);
  process.kill(consumer, 'SIGCONT');
  expect((await fetch(`${service.url}/metrics`)).status).toBe(200);
});

it.runIf(brokers)('what keeps a process from starting ends the instance, with its code', async () => {
  const first = await ServiceProcess.start(await settings());
  const second = await ServiceProcess.spawn({ ...(await settings()), PORT: new URL(first.url).port });
  expect((await second.ended).code).toBe(1);
  expect(second.stderr).toContain('is taken');
});
