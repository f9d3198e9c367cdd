import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A folder for one test: removed when it has passed, kept with its path printed when it has failed. */
export async function tempFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'footfall-'));
  onTestFinished(async ({ task }) => {
    if (task.result?.state === 'fail') console.log(`kept for a look: ${folder}`);
    else await rm(folder, { recursive: true, force: true });
  });
  return folder;
}

/** As `tempFolder`, for servers that run as another user where the tests run as root. */
export async function sharedFolder(): Promise<string> {
  const folder = await tempFolder();
  await chmod(folder, 0o755);
  return folder;
}
