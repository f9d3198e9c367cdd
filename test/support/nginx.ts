import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/**
 * A real nginx with the example of a document, stopped when the test ends.
 *
 * @param folder of this nginx alone; its files are written there
 * @param page the document, such as `docs/security.md`; its first block of nginx's is taken
 * @param here what is here in the place of the example's addresses and files
 */
export function startNginx(folder: string, page: string, here: Record<string, string>): void {
  const [, example] = /```nginx\n([\s\S]*?)```/.exec(readFileSync(page, 'utf8'))!;
  const replaced = Object.entries(here).reduce((text, [there, value]) => {
    if (!text.includes(there)) throw new Error(`${page} has no ${there}`);
    return text.replace(there, value);
  }, example!);
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const temporary = paths.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ');
  const config = join(folder, 'nginx.conf');
  const errors = join(folder, 'error.log');
  writeFileSync(
    config,
    `daemon off; pid ${folder}/nginx.pid; events {} http { access_log off; ${temporary}\n${replaced}}`,
  );
  const nginx = spawn('nginx', ['-e', errors, '-c', config], { stdio: 'pipe' });
  onTestFinished(async ({ task }) => {
    nginx.kill('SIGTERM');
    if (nginx.exitCode === null) await new Promise((ended) => nginx.once('exit', ended));
    if (task.result?.state === 'fail') console.log(readFileSync(errors, 'utf8'));
  });
}
