import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, inject, it, onTestFinished } from 'vitest';
import { rollingCommands } from '../../scripts/nginx.ts';
import { freePort } from '../../src/cli/kafka/free-port.ts';
import { hasProgram } from '../support/certificates.ts';
import { kafkaAndPostgres } from '../support/kafka-postgres.ts';
import { startNginx } from '../support/nginx.ts';
import { post } from '../support/service.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { tempFolder } from '../support/temp-folder.ts';

const PAGE = 'docs/operations.md';
const SENDERS = 8;
const READERS = 2;
const brokers = inject('kafka4');
const itRolls = it.runIf(
  brokers &&
    hasProgram('nginx', '-v', 'rolling behind nginx') &&
    hasProgram('curl', '-V', 'rolling behind nginx'),
);

/** Three instances on one Kafka and one PostgreSQL, and the nginx of the document in front of them. */
async function threeBehindNginx() {
  const settings = { ...(await kafkaAndPostgres()), SHUTDOWN_DELAY_MS: '5000', LOG_EVERY_NTH_EVENT: '0' };
  const start = (address: string) => ServiceProcess.start({ ...settings, PORT: address.split(':')[1]! });
  const addresses: string[] = [];
  // One after the other: a free port is given away once.
  for (let n = 0; n < 3; n++) addresses.push(`127.0.0.1:${await freePort()}`);
  const instances = new Map<string, ServiceProcess>();
  for (const address of addresses) instances.set(address, await start(address));
  for (const { url } of instances.values())
    await expect.poll(async () => (await fetch(`${url}/readyz`)).status).toBe(200);

  const here: Record<string, string> = { 'listen 80': `listen 127.0.0.1:${await freePort()}` };
  for (const [n, address] of addresses.entries()) here[`10.0.0.${n + 1}:3000`] = address;
  startNginx(await tempFolder(), PAGE, here);
  const url = here['listen 80']!.replace('listen ', 'http://');
  const answers = () => fetch(`${url}/livez`).then(({ status }) => status, String);
  await expect.poll(answers).toBe(200);

  /** As `systemctl restart`, but with a signal of the test's choice. */
  const restart = async (address: string, signal: NodeJS.Signals) => {
    const end = await instances.get(address)!.kill(signal);
    instances.set(address, await start(address));
    return end;
  };
  return { url, addresses, restart };
}

type Three = Awaited<ReturnType<typeof threeBehindNginx>>;

/** Runs the commands of the document. Resolves with how each instance ended. */
async function roll({ url, addresses, restart }: Three, signal: NodeJS.Signals) {
  const ends: unknown[] = [];
  const supervisor = createServer(async ({ url: path }, response) => {
    ends.push(await restart(path!.slice(1), signal));
    response.end();
  });
  onTestFinished(() => void supervisor.close());
  await once(supervisor.listen(0, '127.0.0.1'), 'listening');
  const supervised = `http://127.0.0.1:${(supervisor.address() as AddressInfo).port}`;

  const here = rollingCommands({ url, addresses, supervisor: supervised });
  const shell = spawn('bash', ['-euc', here], { stdio: ['ignore', 'inherit', 'inherit'], detached: true });
  // With the loop that it has in the background.
  onTestFinished(() => void spawnSync('pkill', ['--pgroup', String(shell.pid)]));
  expect(await once(shell, 'exit')).toEqual([0, null]);
  return ends;
}

/** Repeats `send` in as many loops as are asked for, until it is stopped. Resolves when all of them have ended. */
function keepUp(loops: number, send: () => Promise<void>) {
  let over = false;
  const loop = async () => {
    while (!over) await send();
  };
  const running = Promise.all(Array.from({ length: loops }, loop));
  return async () => {
    over = true;
    await running;
  };
}

/** Status and body of a response; 0 and the error, if there is none or not all of it. */
async function outcome(asked: Promise<Response>): Promise<{ status: number; body: string }> {
  try {
    const answer = await asked;
    return { status: answer.status, body: await answer.text() };
  } catch (error) {
    return { status: 0, body: String(error) };
  }
}

async function storedIds(url: string): Promise<string[]> {
  const all = await fetch(`${url}/events/processed`, { headers: { Accept: 'application/x-ndjson' } });
  const lines = (await all.text()).split('\n').filter(Boolean);
  return lines.map((line) => (JSON.parse(line) as { eventId: string }).eventId);
}

/** Waits until as many events are stored as were acknowledged, and compares them. */
async function expectStoredOnce(url: string, ids: string[]): Promise<void> {
  const total = async () => ((await (await fetch(`${url}/events/stats`)).json()) as { total: number }).total;
  await expect.poll(total).toBeGreaterThanOrEqual(ids.length);
  expect((await storedIds(url)).sort()).toEqual(ids.sort());
}

itRolls('three instances roll one after the other behind nginx, and no request fails', async () => {
  const three = await threeBehindNginx();
  const { url } = three;
  const ids: string[] = [];
  const failures: unknown[] = [];
  const stopSending = keepUp(SENDERS, async () => {
    const { status, body } = await outcome(post(url, { userId: randomUUID(), eventType: 'LOGIN' }));
    if (status === 201) ids.push((JSON.parse(body) as { event: { eventId: string } }).event.eventId);
    else failures.push({ post: status, body });
  });
  const stopReading = keepUp(READERS, async () => {
    const { status, body } = await outcome(fetch(`${url}/events/processed?order=desc&limit=5`));
    if (status !== 200) failures.push({ get: status, body });
  });
  const ends = await roll(three, 'SIGTERM');
  await Promise.all([stopSending(), stopReading()]);
  expect(ends).toEqual(Array(3).fill({ code: 0, signal: null }));
  expect(failures).toEqual([]);
  expect(new Set(ids).size).toBe(ids.length);
  await expectStoredOnce(url, ids);
});

itRolls(
  'three instances die one after the other behind nginx: who repeats with an id loses nothing',
  async () => {
    const three = await threeBehindNginx();
    const { url } = three;
    const ids: string[] = [];
    const statuses = new Map<number, number>();
    const stopSending = keepUp(SENDERS, async () => {
      const event = { eventId: randomUUID(), userId: 'u', eventType: 'LOGIN' };
      for (let status = 0; status !== 201; ) {
        ({ status } = await outcome(post(url, event)));
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
      ids.push(event.eventId);
    });
    const ends = await roll(three, 'SIGKILL');
    await stopSending();
    expect(ends).toEqual(Array(3).fill({ code: null, signal: 'SIGKILL' }));
    // What was in flight has no other outcome than this, from nginx.
    expect([...statuses.keys()].filter((status) => status !== 201 && status !== 502)).toEqual([]);
    await expectStoredOnce(url, ids);
  },
);
