import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';

const SOURCE = 'src';
const MAX_LINES = 300;
const files = globSync(`${SOURCE}/**/*.ts`).map((path) => {
  const text = readFileSync(path, 'utf8');
  const imports = [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((found) => found[1]!);
  return { path, text, imports };
});

/** From the top down: a file imports from its own layer or from layers below it. */
const LAYERS: [name: string, pattern: RegExp][] = [
  ['main', /^src\/main\.ts$/],
  ['service', /^src\/(service|adapters|workers|worker-link)\.ts$/],
  ['api', /^src\/api\//],
  [
    'flow',
    /^src\/(producer|batch|cloud-events|segment|recent-events|stored-events|consumer|processor|dead-letters|dead-letter-records|health|ledger|verify|watchdog|outages|progress|start-position|shared-transactions|event-query|live-tail)\.ts$/,
  ],
  ['adapters', /^src\/(log|store)\/(?!event-)/],
  ['ports', /^src\/(log|store)\/event-(log|store|counts)\.ts$/],
  ['base', /^src\/[a-z-]+\.ts$/],
];
const layerOf = (path: string) => LAYERS.findIndex(([, pattern]) => pattern.test(path));

function importersOf(specifier: string): string[] {
  return files.filter(({ imports }) => imports.includes(specifier)).map(({ path }) => path);
}

describe('the source', () => {
  it('imports downwards only', () => {
    const upwards = files.flatMap(({ path, imports }) =>
      imports
        .filter((specifier) => specifier.startsWith('.') && specifier.endsWith('.ts'))
        .map((specifier) => normalize(join(dirname(path), specifier)))
        .filter((target) => layerOf(target) < layerOf(path))
        .map((target) => `${path} imports ${target}`),
    );
    expect(upwards).toEqual([]);
  });

  it('names adapters in one file, and loads them only when used', () => {
    const adapters = /^\.\/(log|store)\/(embedded|kafka|memory|sqlite|postgres)-/;
    const naming = files.filter(({ imports }) => imports.some((specifier) => adapters.test(specifier)));
    expect(naming.map(({ path }) => path).filter((path) => dirname(path) === SOURCE)).toEqual([
      'src/adapters.ts',
    ]);
    const adapterFile = files.find(({ path }) => path === 'src/adapters.ts')!;
    expect(
      adapterFile.text.match(/^import .*(embedded|kafka|memory|sqlite|postgres)-(log|store)/m),
    ).toBeNull();
  });

  it.each([
    ['@platformatic/kafka', 'src/log/kafka-client.ts'],
    ['node:sqlite', 'src/sqlite-file.ts'],
    ['pg', 'src/store/postgres-client.ts'],
  ])('imports %s in one file', (specifier, path) => {
    const valueImports = importersOf(specifier).filter((importer) => {
      const { text } = files.find((file) => file.path === importer)!;
      return !new RegExp(`import type [^;]*'${specifier}'`).test(text);
    });
    expect(valueImports).toEqual([path]);
  });

  it('touches the process in main alone', () => {
    const touching = files.filter(({ text }) =>
      /\bprocess\.(env|exit|on|once|argv|stdout|stdin)\b/.test(text),
    );
    expect(touching.map(({ path }) => path)).toEqual(['src/main.ts']);
  });

  it('reads the time of day only for what people read: durations and deadlines go by a clock that never jumps', () => {
    const reading = files.filter(({ text }) => /\bDate\.now\(/.test(text)).map(({ path }) => path);
    expect(reading.sort()).toEqual([
      'src/log/embedded-log.ts',
      // The client's knowledge of topics carries it.
      'src/log/kafka-client.ts',
      'src/progress.ts',
      'src/store/memory-store.ts',
      'src/store/sqlite-process.ts',
    ]);
  });

  it('has no file that is too long to see whole', () => {
    expect(files.filter(({ text }) => text.split('\n').length > MAX_LINES).map(({ path }) => path)).toEqual(
      [],
    );
  });

  it('belongs to a layer, every file of it', () => {
    expect(files.filter(({ path }) => layerOf(path) === -1).map(({ path }) => path)).toEqual([]);
  });
});
