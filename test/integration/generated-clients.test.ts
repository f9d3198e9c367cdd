import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createKey } from '../../src/access/api-keys.ts';
import { serviceHere } from '../support/service.ts';

const run = promisify(execFile);

/** Inside this folder, so that what is generated finds the packages of this project. */
async function workFolder(): Promise<string> {
  await mkdir('.cache', { recursive: true });
  const folder = await mkdtemp(resolve('.cache', 'generated-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

/** A service, a key for everything where it needs one, and its document in a file. */
async function documented({ withKeys }: { withKeys: boolean }, env: Record<string, string> = {}) {
  const { key, entry } = createKey({ name: 'generated', scopes: ['admin'] });
  const { url } = await serviceHere({ ...(withKeys && { API_KEYS: JSON.stringify([entry]) }), ...env });
  const folder = await workFolder();
  const document = join(folder, 'openapi.json');
  const text = await (await fetch(`${url}/openapi.json`)).text();
  await writeFile(document, text);
  return { url, key, folder, document, text };
}

/** What Redocly CLI has to say, by its recommended rules: rule and place of each. */
async function lint(document: string): Promise<string[]> {
  const env = { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' };
  const args = ['lint', '--extends=recommended', '--format=json', document];
  // Exit code 1 with errors; what it says counts.
  const { stdout } = await run('redocly', args, { env }).catch((error: { stdout: string }) => error);
  const { problems } = JSON.parse(stdout) as {
    problems: { ruleId: string; location: { pointer: string }[] }[];
  };
  return problems.map(({ ruleId, location }) => `${ruleId} ${location[0]?.pointer}`);
}

/** As a user of the types writes it. @param eventType of the event that is sent */
const program = (field: string) => `
import createClient from 'openapi-fetch';
import type { components, paths } from './api.ts';

export async function sendAndRead(baseUrl: string, key: string): Promise<components['schemas']['Event'][]> {
  const api = createClient<paths>({ baseUrl, headers: { Authorization: \`Bearer \${key}\` } });
  const sent = await api.POST('/events/generate', {
    params: { query: { ack: 'stored' } },
    body: { ${field}: 'typed', eventType: 'LOGIN', payload: { cart: 3 } },
  });
  if (sent.error) throw new Error(sent.error.error);
  const id: string = sent.data.event.eventId;
  const { data: state } = await api.GET('/events/{eventId}', { params: { path: { eventId: id } } });
  if (state?.state !== 'stored') throw new Error(\`\${id} is \${state?.state}\`);
  const { data } = await api.GET('/events/processed', { params: { query: { userId: 'typed' } } });
  if (!Array.isArray(data)) throw new Error('not JSON');
  return data;
}
`;

async function typecheck(folder: string, field: string): Promise<string> {
  await writeFile(join(folder, 'program.ts'), program(field));
  const args = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--target', 'esnext'];
  const files = ['--allowImportingTsExtensions', '--ignoreConfig', join(folder, 'program.ts')];
  const { stdout } = await run('tsc', [...args, '--types', '', ...files]).catch(
    (error: { stdout: string }) => error,
  );
  return stdout;
}

describe('the OpenAPI document', () => {
  it.each([
    ['with keys', { withKeys: true }, {}],
    ['without keys', { withKeys: false }, {}],
    ['where any eventType is taken', { withKeys: true }, { UNKNOWN_EVENT_TYPES: 'accept' }],
  ])('is clean by the recommended rules of Redocly CLI, %s', async (_what, keys, env) => {
    const { document } = await documented(keys, env);
    expect(await lint(document)).toEqual([]);
  });

  it('gives TypeScript types that check, and by which an event is sent and read', async () => {
    const { url, key, folder, document } = await documented({ withKeys: true });
    const hook = pathToFileURL(resolve('test/generated/openapi-typescript.ts')).href;
    const tool = resolve('node_modules/openapi-typescript/bin/cli.js');
    await run('node', ['--import', hook, tool, document, '--output', join(folder, 'api.ts')]);
    expect(await typecheck(folder, 'user')).toMatch(/'user' does not exist in type/);
    expect(await typecheck(folder, 'userId')).toBe('');
    const { sendAndRead } = (await import(pathToFileURL(join(folder, 'program.ts')).href)) as {
      sendAndRead(url: string, key: string): Promise<object[]>;
    };
    expect(await sendAndRead(url, key)).toMatchObject([{ userId: 'typed', payload: { cart: 3 } }]);
  });

  it('names every operation once, and writes each shape once', async () => {
    const { document } = await documented({ withKeys: true });
    const { paths, components } = JSON.parse(await readFile(document, 'utf8')) as {
      paths: Record<string, Record<string, { operationId: string }>>;
      components: { schemas: Record<string, object> };
    };
    const ids = Object.values(paths)
      .flatMap((methods) => Object.values(methods))
      .map(({ operationId }) => operationId);
    expect([new Set(ids).size, ids.includes('recordEvent')]).toEqual([ids.length, true]);
    const named = Object.keys(components.schemas);
    for (const name of named) expect([name, name.startsWith('def-')]).toEqual([name, false]);
    // A shape of several members that is in two places has a name.
    const shapes = objectShapes({ paths, components });
    expect(shapes.filter((shape, index) => shapes.indexOf(shape) !== index)).toEqual([]);
  });
});

/** The schemas of objects with several members in a document, as text. */
function objectShapes(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  const inner = Object.values(value).flatMap(objectShapes);
  const { type, properties } = value as { type?: unknown; properties?: object };
  if (type !== 'object' || Object.keys(properties ?? {}).length < 2) return inner;
  return [JSON.stringify(value), ...inner];
}
