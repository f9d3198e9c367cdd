import { resolve } from 'node:path';
import { expect, inject, it } from 'vitest';
import { createDatabase } from '../../scripts/postgres-server.ts';
import { crashPoints, INDEX_BUILDS, MIGRATION } from '../faults/crash-points.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { byHand, openStore } from '../support/postgres.ts';
import { post, processed } from '../support/service.ts';
import { ServiceProcess } from '../support/service-process.ts';

const EVENT = { userId: 'u', eventType: 'LOGIN' };
const PRELOAD = resolve('test/faults/preload.ts');

/** What makes an instance come there. */
async function databaseFor(file: string): Promise<string> {
  const url = await createDatabase(inject('postgres'));
  if (file !== INDEX_BUILDS) return url;
  await openStore(url).ping(PATIENCE_MS);
  await byHand(url, 'drop index events_by_hour');
  return url;
}

it.each(crashPoints((file) => [MIGRATION, INDEX_BUILDS].includes(file)))(
  'an instance that dies at $id leaves a database that the next one starts on',
  async ({ id }) => {
    const DATABASE_URL = await databaseFor(id.split(':')[0]!);
    const dying = await ServiceProcess.spawn({
      DATABASE_URL,
      NODE_OPTIONS: `--import=${PRELOAD}`,
      FOOTFALL_DIES_AT: id,
    });
    expect((await dying.ended).signal).toBe('SIGKILL');
    const { url } = await ServiceProcess.start({ DATABASE_URL });
    expect((await post(url, EVENT)).status).toBe(201);
    await expect.poll(() => processed(url)).toHaveLength(1);
    await expect
      .poll(() => openStore(DATABASE_URL).inspect(PATIENCE_MS))
      .toBe('PostgreSQL, tables in schema public');
  },
);
