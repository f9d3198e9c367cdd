// A real nginx with the example of a document, and the document's commands that roll the instances behind it.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface StartedNginx {
  process: ChildProcess;
  /** The file of its errors. */
  errors: string;
  stop(): Promise<void>;
}

/**
 * @param folder of this nginx alone; its files are written there
 * @param page the document, such as `docs/security.md`; its first block of nginx's is taken
 * @param here what is here in the place of the example's addresses and files
 */
export function runNginx(folder: string, page: string, here: Record<string, string>): StartedNginx {
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
    // Each request has two connections, and as many wait as come while an instance stands still.
    `daemon off; worker_rlimit_nofile 8192; pid ${folder}/nginx.pid; events { worker_connections 4096; } http { access_log off; ${temporary}\n${replaced}}`,
  );
  const nginx = spawn('nginx', ['-e', errors, '-c', config], { stdio: 'pipe' });
  return {
    process: nginx,
    errors,
    async stop() {
      nginx.kill('SIGTERM');
      if (nginx.exitCode === null) await new Promise((ended) => nginx.once('exit', ended));
    },
  };
}

interface Rolled {
  /** Where nginx answers. */
  url: string;
  /** Of the instances, as `host:port`. */
  addresses: readonly string[];
  /** Restarts the instance whose address is its path, and answers when that is done. */
  supervisor: string;
}

/** The commands of docs/operations.md that restart one instance after the other, with what is here in their place. */
export function rollingCommands({ url, addresses, supervisor }: Rolled): string {
  const page = readFileSync('docs/operations.md', 'utf8');
  const [, commands] = /```bash\n(# Lets nginx notice[\s\S]*?)```/.exec(page)!;
  return addresses
    .reduce((text, address, n) => text.replace(`10.0.0.${n + 1}:3000`, address), commands!)
    .replace(/ssh .* systemctl restart footfall/, `curl -fsS "${supervisor}/$instance"`)
    .replaceAll('http://127.0.0.1/', `${url}/`);
}
