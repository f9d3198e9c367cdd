import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { tempFolder } from '../support/temp-folder.ts';

it('a process that has had a PostgreSQL server still ends with the code it came to', async () => {
  const folder = await tempFolder();
  const script = `
    import { chmodSync } from 'node:fs';
    import { PostgresServer } from ${JSON.stringify(join(process.cwd(), 'scripts/postgres-server.ts'))};
    chmodSync(${JSON.stringify(folder)}, 0o755);
    const server = await PostgresServer.start(${JSON.stringify(join(folder, 'postgres'))});
    await server.stop();
    process.exitCode = 3;`;
  const code = await new Promise((ended) => {
    execFile(process.execPath, ['--input-type=module', '--eval', script], (error) => ended(error?.code ?? 0));
  });
  expect(code).toBe(3);
});
