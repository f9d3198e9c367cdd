import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { COMPILE_CACHE } from './service-process.ts';
import { tempFolder } from './temp-folder.ts';

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/**
 * Runs a command of Footfall to its end, whatever its code.
 *
 * @param env nothing of this process's environment but PATH is passed on
 * @param folder working folder; a fresh one if not given
 */
export async function runCommand(
  args: readonly string[],
  env: Record<string, string> = {},
  folder?: string,
): Promise<Ended> {
  const cwd = folder ?? (await tempFolder());
  const options = { cwd, env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: COMPILE_CACHE, ...env } };
  return promisify(execFile)(process.execPath, [resolve('src/main.ts'), ...args], options).then(
    (output) => ({ code: 0, ...output }),
    (error: Ended) => error,
  );
}
