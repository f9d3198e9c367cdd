import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** The npm version in the base; Node's own image has the same major version. */
const NPM = '11.21.2';
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';
const USER_ID = '1000';
const MAX_OUTPUT_BYTES = 64_000_000;

/** Images, layers and npm's cache of the builds, kept between runs, separate from the machine's other images. */
const storage = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'footfall', 'images');

/** Buildah's options and environment: its own storage, and no container engine. */
export const BUILDAH = {
  options: ['--root', join(storage, 'root'), '--runroot', join(storage, 'run')],
  environment: { ...process.env, BUILDAH_ISOLATION: 'chroot', TMPDIR: join(storage, 'tmp') },
};

/**
 * Runs buildah and resolves with its output, without the last newline.
 *
 * @throws Error with all output of a failed command
 */
export async function buildah(...args: string[]): Promise<string> {
  return run('buildah', [...BUILDAH.options, ...args]);
}

async function run(command: string, args: string[]): Promise<string> {
  const options = { env: BUILDAH.environment, maxBuffer: MAX_OUTPUT_BYTES };
  try {
    return (await promisify(execFile)(command, args, options)).stdout.trimEnd();
  } catch (cause) {
    const { code, stdout, stderr } = cause as NodeJS.ErrnoException & { stdout?: string; stderr?: string };
    if (code === 'ENOENT')
      throw new Error(
        `${command} is not on the PATH. Install it (Debian: apt-get install buildah mmdebstrap)`,
      );
    throw new Error(`${command} ${args.join(' ')} failed:\n${stdout ?? ''}\n${stderr ?? String(cause)}`);
  }
}

/**
 * Builds the base image of the Dockerfile from Debian's packages and the running Node.js, unless an earlier run has
 * built it. Needs root.
 *
 * @returns whether it had to be built
 * @throws Error when the Dockerfile needs a Node.js version other than the running one
 */
export async function makeBase(dockerfile: string): Promise<boolean> {
  const { image, major, suite } = baseOf(dockerfile);
  if (process.versions.node.split('.')[0] !== major)
    throw new Error(
      `The Dockerfile starts from Node ${major}, this is ${process.version}: run it with that one`,
    );
  await mkdir(BUILDAH.environment.TMPDIR, { recursive: true });
  const recipe = await recipeFor(suite);
  const made = await buildah('images', '--format', '{{.Name}}:{{.Tag}}');
  if (made.split('\n').includes(recipe)) return false;
  const container = await buildah('from', 'scratch');
  try {
    await fill(await buildah('mount', container), suite);
    const settings = ['--env', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'];
    await buildah('config', ...settings, ...trust(), '--cmd', 'node', container);
    await buildah('commit', '--quiet', '--format', 'docker', container, image);
    await buildah('tag', image, recipe);
  } finally {
    await buildah('rm', container);
  }
  return true;
}

/** The image the Dockerfile names, and the versions in that name. */
function baseOf(dockerfile: string): { image: string; major: string; suite: string } {
  const found = /^ARG NODE_IMAGE=(node:(\d+)-(\w+)-slim)$/m.exec(dockerfile);
  if (!found)
    throw new Error(
      'The NODE_IMAGE of the Dockerfile is not node:MAJOR-SUITE-slim, which is all this can make',
    );
  return { image: `docker.io/library/${found[1]}`, major: found[2]!, suite: found[3]! };
}

/** A name for the base that changes with all its inputs except Debian's updates. */
async function recipeFor(suite: string): Promise<string> {
  const hash = createHash('sha256').update(`${suite} ${process.version}`);
  for (const path of [import.meta.filename, certificates()])
    if (path !== undefined) hash.update(await readFile(path));
  return `localhost/footfall-base:${hash.digest('hex').slice(0, 12)}`;
}

async function fill(root: string, suite: string): Promise<void> {
  await run('mmdebstrap', ['--quiet', '--variant=minbase', '--include=libatomic1', suite, root]);
  const node = join(root, 'usr/local/bin/node');
  await copyFile(process.execPath, node);
  await chmod(node, 0o755);
  await run('npm', ['install', '--global', '--prefix', join(root, 'usr/local'), `npm@${NPM}`]);
  const user = ['--create-home', '--uid', USER_ID, '--user-group', '--shell', '/bin/bash', 'node'];
  await run('chroot', [root, 'useradd', ...user]);
  const bundle = certificates();
  if (bundle === undefined) return;
  await mkdir(join(root, 'etc/ssl/certs'), { recursive: true });
  await copyFile(bundle, join(root, CERTIFICATES));
}

/** The certificates this machine trusts: behind a proxy, more than Node.js's own list. */
function certificates(): string | undefined {
  const paths = [process.env.NODE_EXTRA_CA_CERTS, CERTIFICATES];
  return paths.find((path) => path !== undefined && existsSync(path));
}

function trust(): string[] {
  return certificates() === undefined ? [] : ['--env', `NODE_EXTRA_CA_CERTS=${CERTIFICATES}`];
}
