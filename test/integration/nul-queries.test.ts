import { expect, it } from 'vitest';
import { freshDatabase } from '../support/postgres.ts';
import { post, serviceHere } from '../support/service.ts';

// PostgreSQL refuses a parameter with a NUL, which no stored name has.
const ANSWERS: [path: string, status: number][] = [
  ['/events/processed?userId=%00', 400],
  ['/events/processed?eventType=%00', 400],
  ['/events/processed?cursor=%00', 400],
  ['/events/processed?payload.a=%00', 200],
  ['/events/processed?payload.%00=a', 200],
  ['/events/stream?userId=%00', 400],
  ['/events/stream?after=%00', 400],
  ['/events/stats?day=%00', 400],
  ['/events/stats?interval=%00', 400],
  ['/events/stats/user?userId=%00', 400],
  ['/events/suggestions?of=userId&prefix=%00', 400],
  ['/events/suggestions?of=payload.%00&prefix=a', 200],
  ['/events/stats/series?userId=%00', 400],
  ['/events/stats/series?by=%00', 400],
  ['/events/stats/series?by=payload.%00', 200],
  ['/events/rejected?caller=%00', 400],
  ['/events/rejected?code=%00', 400],
  ['/events/%00', 404],
  ['/dead-letters?reason=%00', 400],
  ['/dead-letters?cursor=%00', 400],
  ['/dead-letters/%00', 404],
];

it('answers a NUL in a query with a 4xx or with what it finds, on PostgreSQL too', async () => {
  const { url } = await serviceHere({ DATABASE_URL: await freshDatabase() });
  const got = await Promise.all(ANSWERS.map(async ([path]) => [path, (await fetch(url + path)).status]));
  expect(got).toEqual(ANSWERS);
  const redrive = await fetch(`${url}/dead-letters/redrive`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: '{"all":true,"reason":"\\u0000"}',
  });
  expect(redrive.status).toBe(400);
  expect((await post(url, { userId: 'u', eventType: 'LOGIN' })).status).toBe(201);
});
