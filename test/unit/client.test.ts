import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type Client, type ClientModule, type ClientOptions, loadClient } from '../support/client.ts';
import { type Answer, ScriptedService } from '../support/scripted-service.ts';
import { stopClock } from '../support/stopped-clock.ts';

let Footfall: ClientModule['Footfall'];

beforeAll(async () => {
  ({ Footfall } = await loadClient());
});

/** A client on a stopped clock, the service it talks to, and what it says. */
async function clientOf(
  options: Partial<ClientOptions> = {},
): Promise<{ client: Client; service: ScriptedService; dropped: [number, string[]][]; errors: string[] }> {
  stopClock();
  const service = await ScriptedService.start();
  const dropped: [number, string[]][] = [];
  const errors: string[] = [];
  const client = new Footfall({
    url: service.url,
    onDropped: (events, reasons) => dropped.push([events.length, reasons]),
    onError: ({ message }) => errors.push(message),
    ...options,
  });
  return { client, service, dropped, errors };
}

/** Resolves when a condition holds; other than `expect.poll`, it does not move the stopped clock. */
async function until(holds: () => boolean): Promise<void> {
  let isOver = false;
  onTestFinished(() => {
    isOver = true;
  });
  while (!holds() && !isOver) await new Promise(setImmediate);
}

describe("the client's ids", () => {
  it('are UUIDv7, in order, also within a millisecond and when the clock is set back', async () => {
    const { client } = await clientOf({ paused: true });
    const ids: string[] = [];
    const track = () => ids.push(client.track('u', 'LOGIN'));
    // More than there is room for to count within one.
    for (let number = 0; number < 5000; number++) track();
    vi.setSystemTime(Date.now() - 3_600_000);
    track();
    vi.setSystemTime(Date.now() + 7_200_000);
    track();
    for (const id of ids)
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
    expect(Number.parseInt(ids.at(-1)!.replace('-', '').slice(0, 12), 16)).toBe(Date.now());
  });

  it('need nothing that plain-http pages do not have', async () => {
    const { client } = await clientOf({ paused: true });
    vi.stubGlobal('crypto', { getRandomValues: crypto.getRandomValues.bind(crypto) });
    expect(client.track('u', 'LOGIN')).toHaveLength(36);
    vi.unstubAllGlobals();
  });
});

describe('the client waits', () => {
  it.each<[Answer, atLeastMs: number, atMostMs: number]>([
    ['207 some to be retried', 100, 200],
    ['429', 100, 200],
    ['429 with Retry-After', 7000, 7000],
    ['500', 100, 200],
    ['503 with a date', 3_600_000, 3_600_000],
    ['401', 100, 200],
    ['404', 100, 200],
    ['of something else', 100, 200],
    ['without results', 100, 200],
    ['cut', 100, 200],
  ])('before it tries again after %s', async (answer, atLeastMs, atMostMs) => {
    const { client, service, errors, dropped } = await clientOf();
    service.next.push(answer);
    const ids = [client.track('u', 'LOGIN'), client.track('u', 'LOGOUT')];
    const flushed = client.flush();
    await until(() => errors.length === 1);
    vi.advanceTimersByTime(atLeastMs - 1);
    // One that was sent too soon would be here before this one is.
    await fetch(service.url, { method: 'POST', body: '[]' });
    expect(service.requests).toHaveLength(2);
    vi.advanceTimersByTime(atMostMs - atLeastMs + 1);
    await flushed;
    expect(service.requests).toHaveLength(3);
    expect([...service.stored.keys()].sort()).toEqual(ids);
    expect(dropped).toEqual([]);
  });

  it('longer and longer, and half a minute at most; five where waiting alone does not help', async () => {
    const { client, service, errors } = await clientOf();
    vi.spyOn(Math, 'random').mockReturnValue(1 - Number.EPSILON);
    service.answers = '500';
    client.track('u', 'LOGIN');
    void client.flush();
    let told = 0;
    for (const [answer, waits] of [
      ['500', [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000]],
      ['401', [30_000, 204_800, 300_000, 300_000]],
    ] as const) {
      for (const ms of waits) {
        await until(() => errors.length > told);
        told = errors.length;
        // Of the next request.
        service.answers = answer;
        vi.advanceTimersByTime(ms - 1);
        await fetch(service.url, { method: 'POST', body: '[]' });
        expect(errors).toHaveLength(told);
        vi.advanceTimersByTime(1);
      }
    }
  });
});
