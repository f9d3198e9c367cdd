import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Runs a command as a reader would who pasted it into a terminal. */
export async function answerOf(
  command: string,
  env: Record<string, string> = {},
): Promise<{ status: number; body: string }> {
  const { stdout } = await promisify(execFile)('sh', ['-c', command], {
    env: { PATH: process.env.PATH, ...env },
  });
  const [head, body] = stdout.split('\r\n\r\n');
  return { status: Number(/^HTTP\/\S+ (\d+)/.exec(head!)?.[1]), body: body! };
}
