import { expect, onTestFinished } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { type Service, type ServiceOptions, startService } from '../../src/service.ts';
import { silentLogger } from './logger.ts';
import { tempFolder } from './temp-folder.ts';

/** The whole service in this process, on a free port and a folder of its own, stopped when the test ends. */
export async function serviceHere(
  env: Record<string, string> = {},
  options: ServiceOptions = {},
): Promise<Service & { folder: string }> {
  const folder = env.DATA_DIR ?? (await tempFolder());
  const config = loadConfig({ PORT: '0', DATA_DIR: folder, ...env });
  const service = await startService(config, { logger: silentLogger, ...options });
  onTestFinished(() => service.stop());
  return { ...service, folder };
}

/** Posts a body as JSON, or as whatever `headers` say it is. */
export function post(
  url: string,
  body: string | object,
  headers: Record<string, string> = {},
): Promise<Response> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return fetch(`${url}/events/generate`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: text,
  });
}

/** Sends events as one batch and resolves when all are stored, however long that takes. */
export async function store(url: string, events: readonly object[]): Promise<void> {
  const response = await fetch(`${url}/events/batch?ack=stored`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(events),
  });
  const { results } = (await response.json()) as { results: { eventId: string }[] };
  if (response.status === 201) return;
  // They are in the log, and the service has waited for the store as long as it does.
  expect(response.status).toBe(202);
  for (const { eventId } of results) await expect.poll(() => stateOf(url, eventId)).toBe('stored');
}

/** Where an event is: `pending`, `stored` or `dead-lettered`. */
export async function stateOf(url: string, eventId: string): Promise<string> {
  const response = await fetch(`${url}/events/${eventId}`);
  return ((await response.json()) as { state: string }).state;
}

/** The events stored so far, oldest first. */
export async function processed(
  url: string,
): Promise<{ eventId: string; userId: string; payload: Record<string, unknown> }[]> {
  const response = await fetch(`${url}/events/processed`);
  return (await response.json()) as { eventId: string; userId: string; payload: Record<string, unknown> }[];
}
