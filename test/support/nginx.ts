import { readFileSync } from 'node:fs';
import { onTestFinished } from 'vitest';
import { runNginx } from '../../scripts/nginx.ts';

/** As `runNginx`, stopped when the test ends; its errors are shown if that failed. */
export function startNginx(folder: string, page: string, here: Record<string, string>): void {
  const nginx = runNginx(folder, page, here);
  onTestFinished(async ({ task }) => {
    await nginx.stop();
    if (task.result?.state === 'fail') console.log(readFileSync(nginx.errors, 'utf8'));
  });
}
