// Looks at the Helm chart without a cluster: lints it, renders it for each file in test/chart, and checks the objects
// against the schemas of Kubernetes, and against what Footfall needs. Exits with 1 if anything is wrong.
import { execFile } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { parse, stringify } from 'yaml';
import { describeSettings } from '../src/config/setting-descriptions.ts';
import { checkObjects, type Values } from './chart-checks.ts';
import { type ChartObject, readObjects } from './chart-objects.ts';
import { checkOperatorObjects, KINDS_OF_OPERATORS } from './chart-operators.ts';
import { type ChartTools, chartTools } from './chart-tools.ts';

const CHART = 'deploy/helm/footfall';
const RENDERED = '.cache/chart/rendered';
/** The oldest that Chart.yaml allows, and the newest there are schemas of. */
const KUBERNETES = ['1.30', '1.37'];

const run = promisify(execFile);

type Refusal = [changes: Record<string, unknown>, says: string];

/** What is refused: changes of test/chart/minimal.yaml by path (undefined takes a value out), and the words that say so. */
const REFUSED: Refusal[] = [
  [{ 'image.repository': '' }, 'there is no public image'],
  [{ 'image.digest': 'latest' }, "at '/image/digest'"],
  [{ 'all.replica': 3 }, "additional properties 'replica' not allowed"],
  [{ roles: 'both' }, "one of 'all', 'split'"],
  [{ 'settings.log': 'kafka' }, "invalid propertyName 'log'"],
  [{ 'settings.LOG': 'Kafka' }, 'say where events go'],
  [{ 'settings.KAFKA_BROKERS': undefined }, 'settings.KAFKA_BROKERS is missing'],
  [{ 'files.DATABASE_URL_FILE': undefined }, 'files.DATABASE_URL_FILE is missing'],
  [
    { 'files.DATABASE_URL_FILE': undefined, roles: 'split' },
    'an embedded log or a file belongs to one process',
  ],
  [{ 'files.API_KEYS_FILE': undefined }, 'files.API_KEYS_FILE is missing'],
  [{ 'files.API_KEYS_FILE': undefined, 'settings.AUTH': false }, 'settings.AUTH to "off" (in quotes)'],
  [{ 'files.API_KEYS_FILE.key': undefined }, "missing property 'key'"],
  [{ 'settings.LOG': 'embedded' }, 'contradict each other'],
  [{ 'settings.LOG': 'embedded', 'settings.KAFKA_BROKERS': undefined }, 'events would be gone with the pod'],
  [{ 'persistence.enabled': true }, 'persistence.enabled is for one pod'],
  [
    {
      'files.DATABASE_URL_FILE': undefined,
      'persistence.enabled': true,
      'all.replicas': 1,
      'migrations.enabled': true,
    },
    'migrations.enabled needs files.DATABASE_URL_FILE',
  ],
  ...describeSettings()
    .filter(({ writeOnly }) => writeOnly)
    .map(({ name }): Refusal => [{ [`consumer.settings.${name}`]: 'x' }, `set files.${name}_FILE`]),
  [{ 'settings.PORT': 80 }, 'settings.PORT is decided by the chart'],
  [{ 'settings.API_KEYS_FILE': '/keys' }, 'are both set: keep one'],
  [{ 'settings.WORKERS': 4, roles: 'split' }, 'set api.settings.WORKERS'],
  [{ 'all.autoscaling': { enabled: true, minReplicas: 9 } }, 'minReplicas is greater'],
  [
    { 'settings.KAFKA_SECURITY_PROTOCOL': 'SASL_SSL', roles: 'split', 'consumer.autoscaling.enabled': true },
    'consumer.autoscaling.authenticationRef is missing',
  ],
  [{ 'metrics.serviceMonitor.enabled': true }, 'metrics.serviceMonitor.apiKey is missing'],
  [{ 'ingress.enabled': true }, 'ingress.hosts is empty'],
];

interface Rendered {
  file: string;
  objects: ChartObject[];
}

/** Renders the chart for a file of values into another, and checks the objects. */
async function checkValues(tools: ChartTools, path: string): Promise<Rendered> {
  await tools.helm('lint', '--strict', '--quiet', CHART, '--values', path);
  const text = await render(tools, ['--values', path]);
  const objects = readObjects(text);
  checkObjects(objects, parse(readFileSync(path, 'utf8')) as Values);
  await checkRules(objects);
  const file = join(RENDERED, basename(path));
  await writeFile(file, text);
  console.log(`${path}: ${objects.length} objects`);
  return { file, objects };
}

/** Prometheus itself says whether it takes the rules. */
async function checkRules(objects: readonly ChartObject[]): Promise<void> {
  for (const { spec } of objects.filter(({ kind }) => kind === 'PrometheusRule')) {
    const text = stringify(spec);
    if (text.includes('.example/d/footfall') && !text.includes('https://graphs.example/d/footfall'))
      throw new Error('metrics.rules.grafanaUrl has no effect');
    const file = join(RENDERED, 'rules.yml');
    await writeFile(file, text);
    await run('promtool', ['check', 'rules', file]);
  }
}

async function checkRefusal(
  tools: ChartTools,
  changes: Record<string, unknown>,
  says: string,
): Promise<void> {
  const values = parse(readFileSync('test/chart/minimal.yaml', 'utf8')) as Tree;
  for (const [path, value] of Object.entries(changes)) change(values, path.split('.'), value);
  const file = join(RENDERED, `refused-${says.replaceAll(/\W+/g, '-')}.yaml`);
  await writeFile(file, stringify(values));
  const said = await render(tools, ['--values', file]).then(
    () => 'it is rendered',
    ({ stderr }: { stderr: string }) => stderr,
  );
  if (!said.includes(says)) throw new Error(`${file}: expected “${says}”, but:\n${said}`);
}

interface Tree {
  [name: string]: Tree | unknown;
}

function change(tree: Tree, [name, ...rest]: string[], value: unknown): void {
  if (rest.length > 0) {
    tree[name!] ??= {};
    change(tree[name!] as Tree, rest, value);
  } else if (value === undefined) delete tree[name!];
  else tree[name!] = value;
}

async function render({ helm }: ChartTools, args: readonly string[]): Promise<string> {
  return helm('template', 'demo', CHART, '--namespace', 'shop', ...args);
}

const start = performance.now();
const tools = await chartTools();
await mkdir(RENDERED, { recursive: true });
console.log(`tools: ${((performance.now() - start) / 1000).toFixed(1)} s`);
const rendered: Rendered[] = [];
for (const path of globSync('test/chart/*.yaml').sort()) rendered.push(await checkValues(tools, path));
await checkOperatorObjects(
  tools.operatorTypes,
  rendered.flatMap(({ objects }) => objects),
);
console.log('the operators take them');
const files = rendered.map(({ file }) => file);
for (const version of KUBERNETES) {
  await tools.kubeconform(files, version, KINDS_OF_OPERATORS);
  console.log(`Kubernetes ${version} takes them`);
}
for (const [changes, says] of REFUSED) await checkRefusal(tools, changes, says);
console.log(`${REFUSED.length} mistakes are refused`);
console.log(`in all: ${((performance.now() - start) / 1000).toFixed(1)} s`);
