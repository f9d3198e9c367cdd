// In: the objects that the chart renders for some values. Out: an error if they contradict each other, or Footfall.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Config, loadConfig } from '../src/config/config.ts';
import { describeSettings } from '../src/config/setting-descriptions.ts';
import {
  type ChartObject,
  filesOf,
  isSelected,
  type Labels,
  type PodSpec,
  type Workload,
  workloadsOf,
} from './chart-objects.ts';

/** The values that decide what must be there. */
export interface Values {
  files?: Record<string, { secret?: string; configMap?: string; key: string }>;
  migrations?: { enabled?: boolean; files?: Values['files'] };
}

const FOLDER = '/etc/footfall/files';
/** What the production image sets, as in the Dockerfile. */
const IN_THE_IMAGE = { NODE_ENV: 'production', HOST: '0.0.0.0', DATA_DIR: '/app/data', LOG: 'kafka' };
const POD_IP = '10.1.2.3';

/** @throws Error that says what is wrong */
export function checkObjects(objects: readonly ChartObject[], values: Values): void {
  const workloads = workloadsOf(objects);
  for (const workload of workloads) {
    const { object, pod } = workload;
    try {
      checkHardening(pod);
      checkFiles(workload, values);
      const config = checkSettings(pod);
      assert.equal(config.DATABASE_MIGRATE, values.migrations?.enabled ? 'off' : 'on', 'who migrates');
      if (object.kind === 'Deployment') checkService(pod, config);
      if (workload.isHook) checkHook(pod, objects);
    } catch (cause) {
      throw new Error(`${object.kind} ${object.metadata.name}: ${(cause as Error).message}`, { cause });
    }
  }
  const names = objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
  assert.deepEqual(names, [...new Set(names)], 'two objects have the same name');
  checkSelectors(objects, workloads);
  checkScaling(objects);
}

function checkHardening(pod: PodSpec): void {
  const [{ securityContext, resources }] = pod.containers;
  assert.equal(pod.automountServiceAccountToken, false, 'the pod has a token for the Kubernetes API');
  assert.partialDeepStrictEqual(
    pod.securityContext,
    { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
    'the pod is not restricted',
  );
  assert.deepEqual(
    securityContext,
    { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
    'the container is not restricted',
  );
  assert.ok(resources.requests.cpu && resources.requests.memory && resources.limits.memory, 'resources');
}

/** Each file comes from what the values name, and is where its setting says. */
function checkFiles({ object, pod }: Workload, { files, migrations }: Values): void {
  const wanted = { ...files, ...(object.kind === 'Job' ? migrations?.files : {}) };
  const sources = Object.entries(wanted).map(([name, { secret, configMap, key }]) => [
    name,
    secret === undefined ? `configMap ${configMap} ${key}` : `secret ${secret} ${key}`,
  ]);
  assert.deepEqual(filesOf(pod), Object.fromEntries(sources));
  const [{ env, volumeMounts }] = pod.containers;
  const mounted = volumeMounts.filter(({ mountPath }) => mountPath === FOLDER).map(({ name }) => name);
  assert.deepEqual(mounted, sources.length === 0 ? [] : ['files']);
  const set = env.filter(({ value }) => value?.startsWith(FOLDER)).map(({ name, value }) => [name, value]);
  assert.deepEqual(
    new Map(set as [string, string][]),
    new Map(Object.keys(wanted).map((name) => [name, `${FOLDER}/${name}`])),
  );
}

/** Footfall accepts the environment, knows every name in it, and no secret is among the values. */
function checkSettings({ containers: [{ env }] }: PodSpec): Config {
  const settings = describeSettings();
  const known = [...settings.map(({ name }) => name), 'POD_IP'];
  const secrets = settings.filter(({ writeOnly }) => writeOnly).map(({ name }) => name);
  const names = env.map(({ name }) => name);
  assert.deepEqual(names, [...new Set(names)], 'a variable is there twice');
  assert.deepEqual(
    names.filter((name) => !known.includes(name)),
    [],
    'not settings',
  );
  assert.deepEqual(
    names.filter((name) => secrets.includes(name)),
    [],
    'secrets that anyone may read',
  );
  const rounded = env.filter(({ value }) => /^\d\.?\d*e\+/.test(value ?? ''));
  assert.deepEqual(rounded, [], 'Helm writes large numbers with an exponent');
  const folder = mkdtempSync(join(tmpdir(), 'footfall-chart-'));
  try {
    const variables = env.map(({ name, value }) => {
      if (!value?.startsWith(FOLDER)) return [name, value?.replaceAll('$(POD_IP)', POD_IP) ?? POD_IP];
      writeFileSync(join(folder, name), CONTENTS[name] ?? 'secret');
      return [name, join(folder, name)];
    });
    const config = loadConfig({ ...IN_THE_IMAGE, ...Object.fromEntries(variables) });
    assert.deepEqual(config.warnings, []);
    if (names.includes('POD_IP'))
      assert.ok(config.hosts.includes(POD_IP), 'Prometheus calls pods by address');
    return config;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Of files whose text Footfall reads with its settings. */
const CONTENTS: Record<string, string> = { DATABASE_URL_FILE: 'postgres://footfall:secret@db/footfall' };

function checkService(pod: PodSpec, config: Config): void {
  const [{ ports, startupProbe, livenessProbe, readinessProbe }] = pod.containers;
  assert.deepEqual(ports, [{ name: 'http', containerPort: config.PORT }]);
  const scheme = config.certificate === undefined ? 'HTTP' : 'HTTPS';
  const probes = [startupProbe, livenessProbe, readinessProbe].map((probe) => probe?.httpGet);
  assert.deepEqual(
    probes,
    ['/livez', '/livez', '/readyz'].map((path) => ({ path, port: 'http', scheme })),
  );
  const stopsIn = (config.SHUTDOWN_DELAY_MS + config.SHUTDOWN_TIMEOUT_MS) / 1000;
  assert.ok(pod.terminationGracePeriodSeconds > stopsIn, 'killed while it stops');
  const isOnDisk = config.brokers.length === 0 || config.store.kind === 'sqlite';
  const volumes = pod.volumes.map(({ name }) => name);
  assert.equal(volumes.includes('data'), isOnDisk, 'what is in DATA_DIR has a volume, and nothing else');
}

/** Hooks run before the objects of the chart exist. */
function checkHook(pod: PodSpec, objects: readonly ChartObject[]): void {
  const accounts = objects
    .filter(({ kind }) => kind === 'ServiceAccount')
    .map(({ metadata }) => metadata.name);
  assert.ok(!accounts.includes(pod.serviceAccountName), 'needs a service account that does not exist yet');
}

/** Whatever selects pods finds those that it is about: of one Deployment, and of no hook. */
function checkSelectors(objects: readonly ChartObject[], workloads: readonly Workload[]): void {
  const selected = (selector: Labels) => workloads.filter(({ labels }) => isSelected(labels, selector));
  for (const { kind, metadata, spec } of objects) {
    const labels = kind === 'Service' ? spec.selector : spec?.selector?.matchLabels;
    if (!labels || kind === 'ServiceMonitor') continue;
    const found = selected(labels).map(({ object }) => `${object.kind} ${object.metadata.name}`);
    assert.equal(found.length, 1, `${kind} ${metadata.name} selects ${found.join(', ') || 'nothing'}`);
    assert.match(found[0]!, /^Deployment /);
  }
  const services = objects.filter(({ kind }) => kind === 'Service');
  for (const { spec } of objects.filter(({ kind }) => kind === 'ServiceMonitor')) {
    const asked = services.filter(({ metadata }) => isSelected(metadata.labels, spec.selector!.matchLabels));
    assert.equal(asked.length, workloads.filter(({ object }) => object.kind === 'Deployment').length);
    for (const { spec: service } of asked) assert.equal(service.ports![0]!.name, spec.endpoints![0]!.port);
  }
  for (const { spec } of objects.filter(({ kind }) => kind === 'NetworkPolicy')) {
    assert.equal(selected(spec.podSelector!.matchLabels).length, workloads.length, 'a pod without a policy');
  }
}

/** A Deployment has replicas, or something that decides how many. */
function checkScaling(objects: readonly ChartObject[]): void {
  const scaled = objects.flatMap(({ spec }) => spec?.scaleTargetRef?.name ?? []);
  const deployments = objects.filter(({ kind }) => kind === 'Deployment');
  const unscaled = deployments.filter(({ spec }) => spec.replicas === undefined);
  assert.deepEqual(unscaled.map(({ metadata }) => metadata.name).sort(), scaled.sort());
}
