import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { ChartObject } from './chart-objects.ts';

/** Types made from what the operators install: the only form of it that a registry has. They refuse unknown fields, too. */
export const OPERATOR_TYPES = [
  '@kubernetes-models/keda@2.0.0',
  '@kubernetes-models/prometheus-operator@6.0.0',
];

const MODULES: Record<string, string> = {
  PrometheusRule: '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule',
  ScaledObject: '@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject',
  ServiceMonitor: '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor',
};
const COMPILER_OPTIONS = {
  strict: true,
  noEmit: true,
  module: 'esnext',
  moduleResolution: 'bundler',
  skipLibCheck: true,
  types: [],
};

/** Kinds that operators bring. */
export const KINDS_OF_OPERATORS = Object.keys(MODULES);

/**
 * Lets the compiler compare objects with the types of their kinds.
 *
 * @param types folder with `OPERATOR_TYPES` installed
 * @throws Error that says what is wrong with one
 */
export async function checkOperatorObjects(types: string, objects: readonly ChartObject[]): Promise<void> {
  const imports = Object.entries(MODULES).map(([kind, path]) => `import type { I${kind} } from '${path}';`);
  const constants = objects
    .filter(({ kind }) => kind in MODULES)
    .map(
      (object, at) => `export const object${at}: I${object.kind} = ${JSON.stringify(object, undefined, 1)};`,
    );
  const folder = join(types, 'check');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'objects.ts'), [...imports, ...constants].join('\n'));
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: COMPILER_OPTIONS }));
  const compiler = resolve('node_modules/typescript/bin/tsc');
  await promisify(execFile)(process.execPath, [compiler, '-p', folder]).catch(({ stdout }) => {
    throw new Error(`The operators do not take them:\n${stdout}`);
  });
}
