import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { createDatabase, PostgresServer } from '../../scripts/postgres-server.ts';
import { listeningLogger } from '../support/logger.ts';
import { post, processed, serviceHere } from '../support/service.ts';
import { sharedFolder } from '../support/temp-folder.ts';

const EVENT = { userId: 'u', eventType: 'LOGIN' };
const READS: [path: string, accept: string][] = [
  ['/events/processed', 'application/json'],
  ['/events/processed', 'application/x-ndjson'],
  ['/events/processed?userId=u', 'text/csv'],
  ['/events/stream', 'text/event-stream'],
  ['/events/stats', 'application/json'],
  ['/dead-letters', 'application/json'],
  ['/consumer-groups', 'application/json'],
];

it('answers reads with 503 while PostgreSQL is stopped, goes on taking events, and has them all afterwards', async () => {
  const folder = await sharedFolder();
  const postgres = await PostgresServer.start(join(folder, 'postgres'));
  onTestFinished(() => postgres.stop());
  const { logger, lines } = listeningLogger();
  const { url } = await serviceHere({ DATABASE_URL: await createDatabase(postgres.url) }, { logger });
  expect((await post(url, EVENT)).status).toBe(201);
  await expect.poll(async () => (await processed(url)).length).toBe(1);

  await postgres.stop();
  for (const [path, accept] of READS) {
    const { status, headers } = await fetch(`${url}${path}`, { headers: { accept } });
    const told = [headers.get('error-code'), headers.get('retry-after')];
    expect([path, accept, status, ...told]).toEqual([path, accept, 503, 'store_unavailable', '5']);
  }
  expect((await post(url, EVENT)).status).toBe(201);
  const said = lines.filter(({ msg }) => msg.startsWith('[API]') && msg !== '[API] Request failed');
  expect(said).toHaveLength(1);

  await postgres.restart();
  await expect
    .poll(async () => {
      const answer = await fetch(`${url}/events/processed`);
      return answer.ok ? ((await answer.json()) as unknown[]).length : answer.status;
    })
    .toBe(2);
});
