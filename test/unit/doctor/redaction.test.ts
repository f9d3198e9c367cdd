import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { secretsIn, withoutSecrets } from '../../../src/doctor/redaction.ts';
import { tempFolder } from '../../support/temp-folder.ts';

it.each([
  ['a secret setting', { KAFKA_SASL_PASSWORD: 'hush-hush' }, 'hush-hush'],
  ['a key', { FOOTFALL_KEY: 'hush-hush' }, 'hush-hush'],
  ['a password in an address', { DATABASE_URL: 'postgres://u:hush@h:1/d' }, 'hush'],
  ['an encoded password', { DATABASE_URL: 'postgres://u:h%40sh-h@h/d' }, 'h@sh-h'],
  [
    'a password as a parameter',
    { DATABASE_URL: 'postgres://h/d?user=u&password=hush&sslmode=require' },
    'hush',
  ],
  ['a password among brokers', { KAFKA_BROKERS: 'a:1,sasl://u:hush@b:2' }, 'hush'],
])('hides %s wherever it is repeated', (_what, env, secret) => {
  const said = { list: [`the answer was ${secret}, twice: ${secret}`], count: 1 };
  expect(withoutSecrets(said, secretsIn(env))).toEqual({ list: ['the answer was …, twice: …'], count: 1 });
});

it('hides what a file holds, and a secret that begins with another one whole', async () => {
  const file = join(await tempFolder(), 'url');
  await writeFile(file, 'postgres://u:hush@h/d\n');
  const secrets = secretsIn({ DATABASE_URL_FILE: file, FOOTFALL_KEY: 'hush-longer' });
  expect(withoutSecrets(['hush', 'hush-longer'], secrets)).toEqual(['…', '…']);
});

it("leaves Footfall's own words and other programs' passwords, whatever a password is", () => {
  const env = {
    DATABASE_URL: 'postgres://footfall:footfall@h/d',
    API_KEYS: 'error',
    HTTP_PROXY: 'http://u:3000@p',
  };
  const said = {
    code: 'error',
    severity: 'error',
    next: 'footfall check',
    cause: 'footfall_x is 3000: footfalls',
  };
  expect(withoutSecrets(said, secretsIn(env))).toEqual(said);
});

it('leaves what is no secret', () => {
  const env = { KAFKA_TOPIC: 'events', KAFKA_SASL_PASSWORD: 'e', DATABASE_URL: 'postgres://u@h/d' };
  const said = { topic: 'events', url: 'postgres://u@h/d' };
  expect(withoutSecrets(said, secretsIn({ ...env, DATABASE_URL: undefined }))).toEqual(said);
});
