// Three instances behind the nginx of docs/operations.md, restarted one after the other by the commands there, while requests
// come at a fixed rate.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { rollingCommands, runNginx } from '../scripts/nginx.ts';
import { freePort } from '../src/cli/kafka/free-port.ts';
import { type BenchOptions, type Measured, startNode, type TestCluster } from './ground.ts';
import type { Seen } from './open-loop.ts';
import type { Row } from './rows.ts';

const INSTANCES = 3;
const POLL_MS = 100;
/** An instance that has just started takes longer for each request. */
const WARM_UP_MS = 15_000;
/** Before the first instance is restarted, and after the last one was. */
const CALM_MS = 5000;
/** Characters of what nginx says, where requests failed. */
const SHOWN_ERRORS = 3000;
/** What is asked for: the rate, but for the request that was to be sent when it ended. */
const REACHED = 0.99;

export async function benchRoll(ground: TestCluster, { runs, rate }: BenchOptions): Promise<Row[]> {
  const seen: Seen[] = [];
  for (let run = 1; run <= runs; run++) {
    const one = await measure(ground, rate, run);
    seen.push(one);
    console.error(
      `roll, run ${run}: ${perSecond(one).toFixed(0)}/s for ${one.seconds.toFixed(0)} s, ${one.failed} failed, ${one.overloaded} turned away`,
    );
    for (const failure of one.failures) console.error(`  ${failure}`);
  }
  const what = `three instances behind nginx roll under ${rate} requests/s`;
  const row = (name: string, unit: string, of: (one: Seen) => number, wanted?: Row['wanted']): Row => ({
    part: 'roll',
    what: `${what}: ${name}`,
    unit,
    runs: seen.map(of),
    ...(wanted && { wanted }),
  });
  return [
    row('answered', 'requests/s', perSecond, { atLeast: REACHED * rate }),
    row('failed', 'requests', ({ failed }) => failed, { atMost: 0 }),
    row('turned away as overloaded', 'requests', ({ overloaded }) => overloaded),
    row('p50', 'ms', ({ p50Ms }) => p50Ms),
    row('p99', 'ms', ({ p99Ms }) => p99Ms),
    row('the slowest', 'ms', ({ mostMs }) => mostMs),
    row('longest time without an answer', 'ms', ({ gapMs }) => gapMs),
  ];
}

function perSecond({ answered, seconds }: Seen): number {
  return answered / seconds;
}

async function measure(ground: TestCluster, rate: number, run: number): Promise<Seen> {
  const settings = { ...(await ground.kafkaAndPostgres(`roll-${run}`)), SHUTDOWN_DELAY_MS: '5000' };
  const instances = new Map<string, Measured>();
  const start = async (address: string) => {
    instances.set(address, await ground.footfall({ ...settings, PORT: address.split(':')[1]! }));
  };
  // One after the other: a free port is given away once.
  for (let n = 0; n < INSTANCES; n++) await start(`127.0.0.1:${await freePort()}`);
  const addresses = [...instances.keys()];
  for (const address of addresses) await untilOk(`http://${address}/readyz`);

  const port = await freePort();
  const here: Record<string, string> = { 'listen 80': `listen 127.0.0.1:${port}` };
  for (const [n, address] of addresses.entries()) here[`10.0.0.${n + 1}:3000`] = address;
  const folder = await mkdtemp(join(ground.folder, 'nginx-'));
  // As root, its workers are another user, who must get in.
  await chmod(folder, 0o755);
  const nginx = runNginx(folder, 'docs/operations.md', here);
  const url = `http://127.0.0.1:${port}`;
  await untilOk(`${url}/livez`);

  const supervisor = createServer(async (request, response) => {
    const address = request.url!.slice(1);
    await instances.get(address)!.stop();
    await start(address);
    response.end();
  });
  await once(supervisor.listen(0, '127.0.0.1'), 'listening');
  const restarts = `http://127.0.0.1:${(supervisor.address() as AddressInfo).port}`;

  const sender = await startNode(['bench/open-loop.ts', url, String(rate)]);
  try {
    await sleep(WARM_UP_MS);
    await fetch(`${sender.url}/begin`);
    await sleep(CALM_MS);
    await inShell(rollingCommands({ url, addresses, supervisor: restarts }));
    await sleep(CALM_MS);
    const seen = (await (await fetch(sender.url)).json()) as Seen;
    await untilStored(url, seen);
    if (seen.failed > 0) console.error((await readFile(nginx.errors, 'utf8')).slice(-SHOWN_ERRORS));
    return seen;
  } finally {
    await sender.stop();
    supervisor.close();
    await nginx.stop();
    for (const instance of instances.values()) await instance.stop();
  }
}

async function inShell(commands: string): Promise<void> {
  const shell = spawn('bash', ['-euc', commands], { stdio: ['ignore', 'inherit', 'inherit'] });
  const [code] = await once(shell, 'exit');
  if (code !== 0) throw new Error(`The commands of docs/operations.md ended with ${code}`);
}

/** Waits until what was acknowledged is stored. @throws if it is another number */
async function untilStored(url: string, { acknowledged, unacknowledged }: Seen): Promise<void> {
  for (let total = -1; total < acknowledged; await sleep(POLL_MS)) {
    ({ total } = (await (await fetch(`${url}/events/stats`)).json()) as { total: number });
    // The others may be stored or not.
    if (total > acknowledged + unacknowledged)
      throw new Error(`${acknowledged} events were acknowledged, ${total} are stored`);
  }
}

async function untilOk(url: string): Promise<void> {
  const isOk = () =>
    fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await isOk())) await sleep(POLL_MS);
}
