import { execFileSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';

/** Contents of the package: the service as JavaScript with types, and the types of the client. */
const LIBRARY = 'lib';
const MIGRATIONS = 'store/postgres/migrations';

rmSync(LIBRARY, { recursive: true, force: true });
for (const project of ['tsconfig.build.json', 'client/tsconfig.build.json']) {
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', project], { stdio: 'inherit' });
}
cpSync(`src/${MIGRATIONS}`, `${LIBRARY}/${MIGRATIONS}`, { recursive: true });
console.log(`Built ${LIBRARY}/`);
