import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

const SOURCE = 'src';
const MAX_LINES = 300;
const MAX_ROOT_FILES = 8;
const files = globSync([`${SOURCE}/**/*.ts`, 'client/*.ts']).map((path) => {
  const text = readFileSync(path, 'utf8');
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((found) => found[1]!);
  const imports = specifiers.map((one) => (one.endsWith('.ts') ? join(dirname(path), one) : one));
  return { path, text, imports };
});
const source = files.filter(({ path }) => path.startsWith(`${SOURCE}/`));

/** A folder, or a file at the root of the source. */
function roomOf(path: string): string {
  const folder = dirname(path);
  return relative(SOURCE, folder === SOURCE ? path : folder);
}

/** The table of ARCHITECTURE.md: what each room may import. There is no other list. */
const ROOMS = new Map(
  [...readFileSync('ARCHITECTURE.md', 'utf8').matchAll(/^\| `([\w/.-]+)` \|[^|]*\|([^|]*)\|$/gm)].map(
    ([, room, imports]) => [room!, [...imports!.matchAll(/`([\w/.-]+)`/g)].map((found) => found[1]!)],
  ),
);
const OPEN_TO_ALL = ROOMS.get('everything') ?? [];

function mayImport(room: string): readonly string[] {
  return [...OPEN_TO_ALL, ...(ROOMS.get(room) ?? [])];
}

/** The rooms that `room` reaches, itself only if there is a circle. */
function reachableFrom(room: string, seen = new Set<string>()): Set<string> {
  for (const next of ROOMS.get(room) ?? []) {
    if (seen.has(next)) continue;
    seen.add(next);
    reachableFrom(next, seen);
  }
  return seen;
}

function importersOf(specifier: string): string[] {
  return source.filter(({ imports }) => imports.includes(specifier)).map(({ path }) => path);
}

describe('the source', () => {
  it('has the rooms of ARCHITECTURE.md, and few files outside them', () => {
    const rooms = new Set(source.map(({ path }) => roomOf(path)));
    const described = [...ROOMS.keys()].filter((room) => room !== 'everything');
    expect([...rooms].sort()).toEqual([...described].sort());
    expect(source.filter(({ path }) => dirname(path) === SOURCE).length).toBeLessThanOrEqual(MAX_ROOT_FILES);
  });

  it('imports only what the table of ARCHITECTURE.md allows', () => {
    const others = source.flatMap(({ path, imports }) =>
      imports
        .filter((target) => target.startsWith(`${SOURCE}/`) && roomOf(target) !== roomOf(path))
        .filter((target) => !mayImport(roomOf(path)).includes(roomOf(target)))
        .map((target) => `${path} imports ${target}`),
    );
    expect(others).toEqual([]);
  });

  it('has no circle of rooms', () => {
    expect([...ROOMS.keys()].filter((room) => reachableFrom(room).has(room))).toEqual([]);
  });

  it('names adapters in one file, and loads them only when used', () => {
    const adapters = /^src\/(log|store)\/(embedded|kafka|memory|sqlite|postgres)\//;
    const naming = source.filter(({ path, imports }) =>
      imports.some((target) => adapters.test(target) && roomOf(target) !== roomOf(path)),
    );
    // The index gives the memory store to those who make one of their own of it; the broker for development is asked
    // whether it answers.
    const others = naming.map(({ path }) => path).filter((path) => roomOf(path) !== 'cli/kafka');
    expect(others).toEqual(['src/adapters.ts', 'src/index.ts']);
    const { text } = naming.find(({ path }) => path === 'src/adapters.ts')!;
    expect(text).not.toMatch(/^import .*(embedded|kafka|memory|sqlite|postgres)-(log|store)/m);
  });

  it.each([
    ['@platformatic/kafka', 'src/log/kafka/client.ts'],
    ['node:sqlite', 'src/sqlite/sqlite-file.ts'],
    ['pg', 'src/store/postgres/client.ts'],
  ])('imports %s in one file', (specifier, path) => {
    const valueImports = importersOf(specifier).filter((importer) => {
      const { text } = source.find((file) => file.path === importer)!;
      return !new RegExp(`import type [^;]*'${specifier}'`).test(text);
    });
    expect(valueImports).toEqual([path]);
  });

  it('makes metrics in one file, which gives each its prefix and its first values', () => {
    const making = source.filter(({ text }) => /\bnew (Counter|Gauge|Histogram|Summary)\b/.test(text));
    expect(making.map(({ path }) => path)).toEqual(['src/observability/meter.ts']);
  });

  it('touches the process in main alone', () => {
    const touching = source.filter(({ text }) =>
      /\bprocess\.(env|exit|on|once|argv|stdout|stdin)\b/.test(text),
    );
    // A broker for development ends with the process that started it.
    const others = touching.filter(({ path }) => roomOf(path) !== 'cli/kafka');
    expect(others.map(({ path }) => path)).toEqual(['src/main.ts']);
  });

  it('reads the time of day only for what people read: durations and deadlines go by a clock that never jumps', () => {
    const reading = source.filter(({ text }) => /\bDate\.now\(/.test(text)).map(({ path }) => path);
    expect(reading.sort()).toEqual([
      'src/log/embedded/embedded-log.ts',
      // The client's knowledge of topics carries it.
      'src/log/kafka/client.ts',
      'src/processing/progress.ts',
      'src/store/memory/memory-store.ts',
      'src/store/sqlite/writer.ts',
    ]);
  });

  it('has no file that is too long to see whole', () => {
    expect(files.filter(({ text }) => text.split('\n').length > MAX_LINES).map(({ path }) => path)).toEqual(
      [],
    );
  });
});
