// Clients made of the running service's own OpenAPI document. Those in TypeScript are among the integration tests.
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createKey } from '../../src/access/api-keys.ts';
import type { TestCluster } from './ground.ts';
import { python, pythonPackages } from './install.ts';
import type { Program, Row } from './row.ts';

const OPENAPI_PYTHON_CLIENT = '0.29.1';
const DATAMODEL_CODEGEN = '0.89.0';

/** What makes the code in `folder`, beside `openapi.json`. */
type Arguments = (folder: string) => string[];

function openApiPythonClient(folder: string): string[] {
  // Its formatter is not needed.
  return [
    'generate',
    '--path',
    join(folder, 'openapi.json'),
    '--output-path',
    join(folder, 'client'),
    '--meta',
    'none',
    '--config',
    join(folder, 'config.json'),
  ];
}

function datamodelCodegen(folder: string): string[] {
  return [
    '--input',
    join(folder, 'openapi.json'),
    '--input-file-type',
    'openapi',
    '--output',
    join(folder, 'models.py'),
    '--output-model-type',
    'pydantic_v2.BaseModel',
    '--formatters',
    'builtin',
    '--disable-timestamp',
  ];
}

function generatedRow(
  { name, version, program }: { name: string; version: string; program: string },
  { generator, args, with: more = [] }: { generator: string; args: Arguments; with?: string[] },
): Row {
  return {
    name,
    version,
    isQuick: true,
    checked: 'code made of `/openapi.json`',
    install: async () => {
      const folder = await pythonPackages(`${name}==${version}`, ...more);
      const env = { PYTHONPATH: folder, GENERATOR: join(folder, 'bin', generator) };
      return { command: await python(), args: [resolve('test/generated', program)], env };
    },
    check: (installed, ground) => checkGenerated(installed, args, ground),
  };
}

async function checkGenerated(program: Program, args: Arguments, ground: TestCluster): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'footfall-generated-'));
  const { key, entry } = createKey({ name: 'generated', scopes: ['admin'] });
  const API_KEYS = JSON.stringify([entry]);
  const { url } = await ground.service({ API_KEYS, UNKNOWN_EVENT_TYPES: 'accept' });
  try {
    await writeFile(join(folder, 'openapi.json'), await (await fetch(`${url}/openapi.json`)).text());
    await writeFile(join(folder, 'config.json'), '{"post_hooks": []}');
    await ground.output({ ...program, args: [program.env!.GENERATOR!, ...args(folder)] }, {});
    const script = join(folder, 'use.py');
    await copyFile(program.args[0]!, script);
    await ground.output({ ...program, args: [script] }, { FOOTFALL_URL: url, FOOTFALL_KEY: key });
  } finally {
    await rm(folder, { recursive: true });
  }
}

export const GENERATED_ROWS: Row[] = [
  generatedRow(
    { name: 'openapi-python-client', version: OPENAPI_PYTHON_CLIENT, program: 'use_client.py' },
    { generator: 'openapi-python-client', args: openApiPythonClient },
  ),
  generatedRow(
    { name: 'datamodel-code-generator', version: DATAMODEL_CODEGEN, program: 'use_models.py' },
    { generator: 'datamodel-codegen', args: datamodelCodegen, with: ['pydantic==2.12.5'] },
  ),
];
