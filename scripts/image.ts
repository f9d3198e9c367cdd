// Builds both targets of the Dockerfile without a container engine or an image registry, starts each as its own user,
// and uses it. Exits with 1 if any check fails. Needs root, buildah and mmdebstrap.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parse } from 'yaml';
import { freePort } from '../src/cli/kafka/free-port.ts';
import { buildah, makeBase } from './image-base.ts';
import { Container, type RunOptions } from './image-container.ts';

const EVENT = { userId: 'user-123', eventType: 'LOGIN', payload: { device: 'iPhone' } };
/** Tests that show whether the container can run the rest: all documents are there, PostgreSQL runs as its user. */
const TESTS_IN_CONTAINER = [
  'test/unit/tooling/documents.test.ts',
  'test/integration/postgres-server.test.ts',
];

async function timed(what: string, work: () => Promise<unknown>): Promise<void> {
  const start = performance.now();
  await work();
  console.log(`${what}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
}

async function build(target: string): Promise<void> {
  const options = ['--layers', '--pull-never', '--network', 'host', '--format', 'docker'];
  await buildah('build', ...options, '--tag', imageOf(target), '--target', target, '.');
}

function imageOf(target: string): string {
  return `localhost/footfall:${target}`;
}

/** The service as docker-compose.yml starts it, on the embedded log: Kafka and PostgreSQL are not part of the image. */
function asComposed(): RunOptions {
  const { services } = parse(readFileSync('docker-compose.yml', 'utf8')) as {
    services: { 'app-service': { environment: Record<string, string>; volumes: string[] } };
  };
  const { KAFKA_BROKERS, DATABASE_URL, ...others } = services['app-service'].environment;
  const environment = { ...others, LOG: 'embedded' };
  return { environment, volumes: services['app-service'].volumes.map((volume) => resolve(volume)) };
}

/** The variables that README's `docker run` sets. */
function asInReadme(): Record<string, string> {
  const found = /^docker run .*(?:\\\n.*)*/m.exec(readFileSync('README.md', 'utf8'));
  if (!found) throw new Error('README.md does not say how to run the production image');
  return Object.fromEntries(
    [...found[0].matchAll(/-e (\w+)=(\S+)/g)].map(([, name, value]) => [name, value]),
  );
}

async function withContainer(
  target: string,
  options: RunOptions,
  use: (container: Container) => Promise<void>,
): Promise<void> {
  const container = await Container.of(imageOf(target), options);
  try {
    await use(container);
  } finally {
    await container.remove();
  }
}

/** Starts the image's own command, sends an event through it, and stops it. */
async function checkService(target: string, { environment, volumes }: RunOptions): Promise<void> {
  const port = String(await freePort());
  const options = { environment: { ...environment, PORT: port }, volumes };
  await withContainer(target, options, async (container) => {
    const url = `http://127.0.0.1:${port}`;
    container.start();
    await container.until('/health with 200', async () => (await tryGet(`${url}/health`))?.status === 200);
    if (container.userId !== container.expectedUserId)
      throw new Error(`runs as user ${container.userId}, not as ${container.expectedUserId}`);
    await checkEvent(container, url);
    await checkPage(url);
    await container.checkHealth();
    await container.stop();
  });
}

async function tryGet(url: string): Promise<Response | undefined> {
  return fetch(url).catch(() => undefined);
}

async function checkEvent(container: Container, url: string): Promise<void> {
  const answer = await fetch(`${url}/events/generate`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(EVENT),
  });
  if (answer.status !== 201)
    throw new Error(`POST is answered with ${answer.status}: ${await answer.text()}`);
  const { event } = (await answer.json()) as { event: { eventId: string } };
  await container.until('the event in /events/processed', async () => {
    const processed = await tryGet(`${url}/events/processed`);
    return (await processed?.text())?.includes(event.eventId) ?? false;
  });
}

/** @throws Error unless the built page is there, with its script */
async function checkPage(url: string): Promise<void> {
  const page = await (await fetch(`${url}/`)).text();
  const script = /<script [^>]*src="([^"]+\.js)"/.exec(page)?.[1];
  if (script === undefined) throw new Error(`the page has no script:\n${page}`);
  const answer = await fetch(new URL(script, `${url}/`));
  const type = answer.headers.get('content-type') ?? '';
  if (answer.status !== 200 || !type.includes('javascript'))
    throw new Error(`the page's script ${script} is answered with ${answer.status}, ${type}`);
}

/** The production image must not start before somebody has decided who may call, and where events go. */
async function checkRefusal(environment: Record<string, string>, missing: string): Promise<void> {
  const port = String(await freePort());
  await withContainer('production', { environment: { ...environment, PORT: port } }, async (container) => {
    container.start();
    const output = await container.refusal();
    if (!output.includes(missing)) throw new Error(`does not say what is missing:\n${output}`);
  });
}

async function checkTests(): Promise<void> {
  await withContainer('development', asComposed(), async (container) => {
    await container.run('npm', 'test', '--', ...TESTS_IN_CONTAINER);
  });
}

/** The bill of materials lists every package that is there, and everything built into the page. */
async function checkBillOfMaterials(): Promise<void> {
  const program = `
    import { globSync, readFileSync } from 'node:fs';
    const read = (path) => JSON.parse(readFileSync(path, 'utf8'));
    const listed = new Set(read('sbom.cdx.json').components.map(({ name, version }) => name + '@' + version));
    const installed = globSync('{node_modules,node_modules/**/node_modules}/{[!@]*,@*/*}/package.json').map(read);
    const page = readFileSync('dist/dashboard/licenses.md', 'utf8').matchAll(/^## (\\S+) - (\\S+) /gm);
    const found = [
      ...installed.map(({ name, version }) => name + '@' + version),
      ...[...page].map(([, name, version]) => name + '@' + version),
    ];
    console.log(found.length, found.filter((id) => !listed.has(id)).join(' '));`;
  await withContainer('production', { environment: {} }, async (container) => {
    const output = await container.run('node', '--input-type=module', '--eval', program);
    if (!/^[1-9]\d\d$/.test(output)) throw new Error(`sbom.cdx.json lacks packages: ${output}`);
  });
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
await timed('base image', () => makeBase(readFileSync('Dockerfile', 'utf8')));
await timed('development: build', () => build('development'));
await timed('production: build', () => build('production'));
await timed('development: service', () => checkService('development', asComposed()));
await timed('development: tests', checkTests);
await timed('production: service', () => checkService('production', { environment: asInReadme() }));
await timed('production: refusal without keys', () => checkRefusal({ LOG: 'embedded' }, 'AUTH=off'));
await timed('production: refusal without a log', () => checkRefusal({ AUTH: 'off' }, 'LOG=embedded'));
await timed('production: bill of materials', checkBillOfMaterials);
