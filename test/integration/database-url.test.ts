import { expect, inject, it } from 'vitest';
import { createDatabase } from '../../scripts/postgres-server.ts';
import { ServiceProcess } from '../support/service-process.ts';

it.each([
  ['postgres://u:se#cret@db/d', 'write it as %23 in a password'],
  ['postgres://u:secret@db1,db2/d', 'names several hosts'],
  ['postgres://u:secret@db/d?sslmode=prefer', 'Write sslmode=require'],
  ['postgres://u:secret@db/d?sslrootcert=/none.pem', 'sslrootcert cannot be read'],
])('ends with code 2 and a sentence, and nothing of the password, for %s', async (DATABASE_URL, sentence) => {
  const service = await ServiceProcess.spawn({ DATABASE_URL });
  expect(await service.ended).toMatchObject({ code: 2 });
  expect(service.stderr).toContain(`DATABASE_URL`);
  expect(service.stderr).toContain(sentence);
  expect(service.stderr).not.toMatch(/se.?cret|cret/);
});

it.each(['require', 'verify-ca', 'verify-full', 'no-verify'])(
  'says nothing but JSON with sslmode=%s, and in one line why there is no connection',
  async (mode) => {
    const database = await createDatabase(inject('postgres'));
    const service = await ServiceProcess.start({
      DATABASE_URL: `${database}?sslmode=${mode}`,
      LOG_FORMAT: 'json',
    });
    const answer = (await (await fetch(`${service.url}/readyz`)).json()) as { store: { reason: string } };
    expect(answer.store.reason).toBe(
      'The server does not support SSL connections: write sslmode=disable, or give the server a certificate',
    );
    expect(await service.kill('SIGTERM')).toMatchObject({ code: 0 });
    expect(service.stderr).toBe('');
    for (const line of service.lines) expect(JSON.parse(line)).toMatchObject({ msg: expect.any(String) });
  },
);
