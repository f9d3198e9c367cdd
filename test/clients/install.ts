// Brings clients from their registries into `.cache/clients`, each into a folder of its own, once.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { access, constants, cp, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { MissingToolError, type Program } from './row.ts';

const CACHE = resolve('.cache/clients');
const HERE = import.meta.dirname;
const MOST_OUTPUT = 10_000_000;
const HINTS = {
  python3: 'apt-get install python3-venv',
  go: 'https://go.dev/dl',
  java: 'apt-get install openjdk-17-jdk-headless',
  mvn: 'apt-get install maven',
  curl: 'apt-get install curl',
  chromium: 'apt-get install chromium',
  kcat: 'apt-get install kcat',
};
type Tool = keyof typeof HINTS;

/** A client from npm, and the script in `js/` that uses it. @param packages as `name@version` */
export async function fromNpm(script: string, ...packages: string[]): Promise<Program> {
  const folder = await installed(packages, async (work) => {
    await writeFile(join(work, 'package.json'), '{"private":true,"type":"module"}');
    await execute('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...packages], {
      cwd: work,
    });
  });
  // Beside the packages, for that is where they are looked for.
  await cp(join(HERE, 'js'), folder, { recursive: true });
  return { command: process.execPath, args: [join(folder, script)] };
}

/** A client from PyPI, and the script in `python/` that uses it. @param packages as `name==version` */
export async function fromPyPi(script: string, ...packages: string[]): Promise<Program> {
  const folder = await pythonPackages(...packages);
  const args = [join(HERE, 'python', script)];
  return { command: await python(), args, env: { PYTHONPATH: folder, PYTHONDONTWRITEBYTECODE: '1' } };
}

/** The folder of packages from PyPI, for `PYTHONPATH`. */
export async function pythonPackages(...packages: string[]): Promise<string> {
  const interpreter = await python();
  return installed(packages, (work) =>
    execute(interpreter, [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--disable-pip-version-check',
      '--target',
      work,
      ...packages,
    ]),
  );
}

/** A Python with pip, apart from the machine's. */
export const python = once(async () => {
  await requireTool('python3');
  const folder = await installed(['python'], (work) => execute('python3', ['-m', 'venv', work]));
  return join(folder, 'bin/python');
});

/** A program of the module in `go/`, whose go.mod names the versions. */
export async function fromGo(name: string): Promise<Program> {
  await requireTool('go');
  const command = join(CACHE, 'go', name);
  await execute('go', ['build', '-o', command, `./${name}`], { cwd: join(HERE, 'go') });
  return { command, args: [] };
}

/** A program of one file in `java/`, with jars. @param jars folders of jars */
export async function fromJava(file: string, ...jars: string[]): Promise<Program> {
  await requireTool('java');
  const classPath = jars.map((folder) => join(folder, '*')).join(delimiter);
  const args = ['-Xmx256m', '-XX:TieredStopAtLevel=1', ...(classPath === '' ? [] : ['-cp', classPath])];
  return { command: 'java', args: [...args, join(HERE, 'java', file)] };
}

/** The folder of jars from Maven Central. @param coordinates as `group:artifact:version` */
export async function mavenJars(...coordinates: string[]): Promise<string> {
  await requireTool('mvn');
  return installed(coordinates, async (work) => {
    const pom = join(work, 'pom.xml');
    await writeFile(pom, pomOf(coordinates));
    const args = ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${work}`];
    await execute('mvn', args);
  });
}

/** A program that the machine brings. @throws MissingToolError */
export async function fromPath(tool: Tool, ...names: string[]): Promise<Program> {
  return { command: await requireTool(tool, ...names), args: [] };
}

/**
 * kcat of the machine, else from Debian's packages, which are unpacked and not installed.
 *
 * @throws MissingToolError
 */
export const kcat = once(async (): Promise<Program> => {
  if (await whereIs('kcat')) return fromPath('kcat');
  if (!(await whereIs('apt-get'))) throw new MissingToolError('kcat', HINTS.kcat);
  const packages = ['kcat', 'librdkafka1', 'libyajl2'];
  const folder = await installed(packages, async (work) => {
    await execute('apt-get', ['download', '-qq', ...packages], { cwd: work });
    for (const name of packages) {
      await execute('sh', ['-c', `dpkg-deb -x ${name}_*.deb .`], { cwd: work });
    }
  });
  const { stdout } = await promisify(execFile)('sh', ['-c', 'ls -d usr/lib/*-linux-*'], { cwd: folder });
  const libraries = join(folder, stdout.trim());
  return { command: join(folder, 'usr/bin/kcat'), args: [], env: { LD_LIBRARY_PATH: libraries } };
});

const folders = new Map<string, Promise<string>>();

/** A folder that `fill` has filled, now or before. */
function installed(packages: string[], fill: (work: string) => Promise<void>): Promise<string> {
  const folder = join(CACHE, packages.join('+').replaceAll(/[^\w.@=+-]/g, '_'));
  const known = folders.get(folder) ?? filled(folder, fill);
  folders.set(folder, known);
  return known;
}

/** It gets its name once it is complete. */
async function filled(folder: string, fill: (work: string) => Promise<void>): Promise<string> {
  if (existsSync(folder)) return folder;
  await mkdir(CACHE, { recursive: true });
  const work = await mkdtemp(join(CACHE, 'install-'));
  try {
    await fill(work);
    await rename(work, folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return folder;
}

async function execute(command: string, args: string[], options: { cwd?: string } = {}): Promise<void> {
  const run = promisify(execFile)(command, args, { ...options, maxBuffer: MOST_OUTPUT });
  await run.catch((error: Error & { stdout: string; stderr: string }) => {
    throw new Error(`${command} ${args.join(' ')} failed: ${error.stderr || error.stdout || error.message}`, {
      cause: error,
    });
  });
}

async function requireTool(tool: Tool, ...otherNames: string[]): Promise<string> {
  for (const name of [tool, ...otherNames]) {
    const path = await whereIs(name);
    if (path !== undefined) return path;
  }
  throw new MissingToolError(tool, HINTS[tool]);
}

async function whereIs(name: string): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name);
    const isThere = access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (await isThere) return path;
  }
  return undefined;
}

function pomOf(coordinates: string[]): string {
  const dependencies = coordinates.map((one) => {
    const [group, artifact, version] = one.split(':');
    return `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`;
  });
  return `<project><modelVersion>4.0.0</modelVersion><groupId>footfall</groupId><artifactId>client</artifactId><version>1</version><packaging>pom</packaging><dependencies>${dependencies.join('')}</dependencies></project>`;
}

/** What several rows need is made once, also when they ask at the same time. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
