import { resolve } from 'node:path';
import { expect, inject, it } from 'vitest';
import { createDatabase } from '../../scripts/postgres-server.ts';
import { crashPoints, MIGRATION } from '../faults/crash-points.ts';
import { post, processed } from '../support/service.ts';
import { ServiceProcess } from '../support/service-process.ts';

const EVENT = { userId: 'u', eventType: 'LOGIN' };
const PRELOAD = resolve('test/faults/preload.ts');

it.each(crashPoints((file) => file === MIGRATION))(
  'an instance that dies at $id leaves a database that the next one starts on',
  async ({ id }) => {
    const DATABASE_URL = await createDatabase(inject('postgres'));
    const dying = await ServiceProcess.spawn({
      DATABASE_URL,
      NODE_OPTIONS: `--import=${PRELOAD}`,
      FOOTFALL_DIES_AT: id,
    });
    expect((await dying.ended).signal).toBe('SIGKILL');
    const { url } = await ServiceProcess.start({ DATABASE_URL });
    expect((await post(url, EVENT)).status).toBe(201);
    await expect.poll(() => processed(url)).toHaveLength(1);
  },
);
