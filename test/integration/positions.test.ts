import { randomUUID } from 'node:crypto';
import { describe, expect, inject, it } from 'vitest';
import { createDatabase } from '../../scripts/postgres-server.ts';
import { appendIn } from '../support/embedded-log.ts';
import { runCommand } from '../support/run-command.ts';
import { serviceHere, store } from '../support/service.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { damage, eventJson, processedFolder } from '../support/verify-ground.ts';

interface Position {
  partition: number;
  position: number | null;
  lag: number;
  stored: number;
  duplicates: number;
  deadLettered: number;
  rewound: number;
}

async function shown(env: Record<string, string>): Promise<Position[]> {
  const { code, stdout } = await runCommand(['positions', 'show', '--json'], env);
  expect(code).toBe(0);
  return JSON.parse(stdout) as Position[];
}

const reset = (env: Record<string, string>, ...args: string[]) =>
  runCommand(['positions', 'reset', ...args], env);

/** What the service makes of what is in the folder, until nothing is left to do. */
async function processAgain(folder: string): Promise<string> {
  const { url, stop } = await serviceHere({ DATA_DIR: folder });
  const metrics = async () => (await fetch(`${url}/metrics`)).text();
  await expect.poll(metrics).toContain('footfall_consumer_lag_records{partition="0"} 0');
  const text = await metrics();
  await stop();
  return text;
}

describe('footfall positions, on files', () => {
  it('sets positions back once it is told to, and every record is processed again and stored once', async () => {
    const { folder } = await processedFolder();
    const env = { DATA_DIR: folder };
    expect(await shown(env)).toMatchObject([{ partition: 0, position: 5, lag: 0, stored: 3, rewound: 0 }]);

    const planned = await reset(env, '--to-earliest');
    expect(planned.stdout).toContain('Nothing was changed');
    expect(await shown(env)).toMatchObject([{ position: 5 }]);

    const done = await reset(env, '--to-earliest', '--execute', '--json');
    expect(JSON.parse(done.stdout)).toEqual({
      executed: true,
      positions: [{ partition: 0, from: 5, to: 0 }],
    });
    expect(await shown(env)).toMatchObject([{ position: 0, lag: 5, rewound: 5 }]);

    const metrics = await processAgain(folder);
    for (const [outcome, count] of Object.entries({
      stored: 3,
      duplicates: 5,
      deadLettered: 2,
      unaccounted: 0,
    }))
      expect(metrics).toContain(`footfall_ledger_records{partition="0",outcome="${outcome}"} ${count}`);
    expect((await runCommand(['verify'], env)).code).toBe(0);
  });

  it('goes back to before what a hand has passed over, and until then keeps saying that it was', async () => {
    const { folder } = await processedFolder();
    const env = { DATA_DIR: folder };
    const four = Array.from({ length: 4 }, () => eventJson(randomUUID()));
    await appendIn(folder, four.slice(0, 2));
    damage(folder, 'update positions set next_offset = 7');
    await appendIn(folder, four.slice(2));
    const unaccounted = (metrics: string) =>
      /^footfall_ledger_records\{partition="0",outcome="unaccounted"\} (\d+)$/m.exec(metrics)?.[1];
    expect(unaccounted(await processAgain(folder))).toBe('2');

    expect((await reset(env, '--to-offset', '7', '--partition', '0', '--execute')).code).toBe(0);
    expect(await shown(env)).toMatchObject([{ position: 7, rewound: 2 }]);
    expect(unaccounted(await processAgain(folder))).toBe('2');
    expect((await runCommand(['verify'], env)).code).toBe(1);

    expect((await reset(env, '--to-offset', '5', '--partition', '0', '--execute')).code).toBe(0);
    expect(unaccounted(await processAgain(folder))).toBe('0');
    expect(await shown(env)).toMatchObject([{ position: 9, stored: 7 }]);
    expect((await runCommand(['verify'], env)).code).toBe(0);
  });

  it.each([
    [['--to-offset', '6', '--partition', '0'], 'moving it forward to 6 would pass over records'],
    [['--to-earliest', '--partition', '7'], 'has no partition 7'],
  ])('refuses %j', async (args, said) => {
    const { folder } = await processedFolder();
    expect(await reset({ DATA_DIR: folder }, ...args, '--execute')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(said),
    });
    expect(await shown({ DATA_DIR: folder })).toMatchObject([{ position: 5 }]);
  });
});

const brokers = inject('kafka4');

it.runIf(brokers)('positions set back under a running service are read again at once', async () => {
  const env = {
    KAFKA_BROKERS: brokers!,
    KAFKA_TOPIC: `events-${randomUUID()}`,
    KAFKA_CONSUMER_GROUP: `group-${randomUUID()}`,
    DATABASE_URL: await createDatabase(inject('postgres')),
  };
  const service = await ServiceProcess.start(env);
  await store(
    service.url,
    Array.from({ length: 30 }, (_, user) => ({ userId: `u${user}`, eventType: 'LOGIN' })),
  );
  const sums = async () => {
    const positions = await shown(env);
    const sum = (of: (one: Position) => number) => positions.reduce((total, one) => total + of(one), 0);
    return {
      stored: sum((one) => one.stored),
      duplicates: sum((one) => one.duplicates),
      lag: sum((one) => one.lag),
    };
  };
  expect(await sums()).toEqual({ stored: 30, duplicates: 0, lag: 0 });
  expect((await reset(env, '--to-earliest', '--execute')).code).toBe(0);
  await expect.poll(sums).toEqual({ stored: 30, duplicates: 30, lag: 0 });
  expect((await runCommand(['verify'], env)).code).toBe(0);
});
