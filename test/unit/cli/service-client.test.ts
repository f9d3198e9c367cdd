import { describe, expect, it, vi } from 'vitest';
import { call, retryAfterMs } from '../../../src/cli/service-client.ts';
import { stopClock } from '../../support/stopped-clock.ts';

describe('a request to a service', () => {
  it.each([
    ['an address without a scheme', { url: 'localhost:3000' }, /must be an address such as http:/],
    ['no address', { url: '' }, /must be an address/],
    ['a key in the address', { url: 'http://ff_secret@127.0.0.1:3000' }, /Give the key with --key/],
    [
      'a key of two lines',
      { url: 'http://127.0.0.1:3000', key: 'ff_secret\nother' },
      /characters that no key has/,
    ],
  ])('is not made with %s, and what may be a key is not shown', async (_, service, message) => {
    const error = await call(service, '/events/stats').catch((reason: Error) => reason);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).not.toContain('ff_secret');
  });

  it.each([
    ['3', 3000],
    ['Wed, 25 Nov 2026 12:00:05 GMT', 5000],
    ['Wed, 25 Nov 2026 11:00:00 GMT', 1000],
    ['0', 1000],
    ['soon', 1000],
    [undefined, 1000],
  ])('that is refused with Retry-After: %s is sent again after %d ms', (value, ms) => {
    stopClock();
    vi.setSystemTime(Date.UTC(2026, 10, 25, 12));
    const headers = value === undefined ? {} : { 'Retry-After': value };
    expect(retryAfterMs(new Response(null, { headers }))).toBe(ms);
  });
});
