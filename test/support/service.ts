import { onTestFinished } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { realSurroundings, type Service, type Surroundings, startService } from '../../src/service.ts';
import { silentLogger } from './logger.ts';
import { tempFolder } from './temp-folder.ts';

/** The whole service in this process, on a free port and a folder of its own, stopped when the test ends. */
export async function serviceHere(
  env: Record<string, string> = {},
  surroundings: Partial<Surroundings> = {},
): Promise<Service & { folder: string }> {
  const folder = env.DATA_DIR ?? (await tempFolder());
  const config = loadConfig({ PORT: '0', DATA_DIR: folder, ...env });
  const service = await startService(config, { ...realSurroundings, logger: silentLogger, ...surroundings });
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

/** The events stored so far, oldest first. */
export async function processed(
  url: string,
): Promise<{ eventId: string; userId: string; payload: Record<string, unknown> }[]> {
  const response = await fetch(`${url}/events/processed`);
  return (await response.json()) as { eventId: string; userId: string; payload: Record<string, unknown> }[];
}
