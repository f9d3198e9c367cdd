import { execFileSync } from 'node:child_process';
import { appendFileSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../src/cli/kafka/free-port.ts';
import { hasProgram, makeCertificate } from '../support/certificates.ts';
import { runCommand } from '../support/run-command.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { tempFolder } from '../support/temp-folder.ts';

interface Finding {
  code: string;
  severity: string;
}

/** Settings of a service that serves HTTPS, with a certificate for the name localhost of an authority that nobody knows. */
async function settings() {
  const folder = await tempFolder();
  const { cert, key } = makeCertificate(folder);
  const port = await freePort();
  const env = {
    PORT: String(port),
    DATA_DIR: folder,
    HTTPS_CERT_FILE: cert,
    HTTPS_KEY_FILE: key,
  };
  return { folder, env, url: `https://127.0.0.1:${port}` };
}

/** Replaces the files of the settings by those of another certificate. */
function renew(folder: string, env: { HTTPS_CERT_FILE: string; HTTPS_KEY_FILE: string }): void {
  mkdirSync(join(folder, 'next'));
  const next = makeCertificate(join(folder, 'next'));
  copyFileSync(next.cert, env.HTTPS_CERT_FILE);
  copyFileSync(next.key, env.HTTPS_KEY_FILE);
}

/** A certificate that was valid in 2020, for itself. */
function makeExpired(folder: string, { cert, key }: { cert: string; key: string }): void {
  const [request, config] = [join(folder, 'expired.csr'), join(folder, 'expired.cnf')];
  const database = join(folder, 'index.txt');
  writeFileSync(database, '');
  writeFileSync(
    config,
    `[ca]\ndefault_ca = own\n[own]\ndatabase = ${database}\nrand_serial = yes\ndefault_md = sha256\npolicy = any\nnew_certs_dir = ${folder}\n[any]\ncommonName = supplied\n`,
  );
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });
  openssl('req', '-new', '-key', key, '-subj', '/CN=localhost', '-out', request);
  const times = ['-startdate', '200101000000Z', '-enddate', '201231000000Z'];
  openssl(
    'ca',
    '-selfsign',
    '-batch',
    '-config',
    config,
    '-keyfile',
    key,
    '-in',
    request,
    '-out',
    cert,
    ...times,
  );
}

async function findings(env: Record<string, string>): Promise<Finding[]> {
  const { stdout } = await runCommand(['doctor', '--json'], env);
  return (JSON.parse(stdout) as { findings: Finding[] }).findings;
}

describe.skipIf(!hasProgram('openssl', 'version', 'the tests of HTTPS'))(
  'commands with the settings of a service that serves HTTPS',
  () => {
    it('find it, know it by its certificate alone, and say what they asked', async () => {
      const { env, url } = await settings();
      await ServiceProcess.start(env);
      expect(await runCommand(['doctor'], env)).toMatchObject({
        code: 0,
        stdout: expect.stringContaining(`service   ${url}, known by HTTPS_CERT_FILE, is ready`),
      });
      const event = ['--user', 'u', '--type', 'LOGIN', '--payload', '{"a":[1]}'];
      expect(await runCommand(['send', ...event], env)).toMatchObject({ code: 0 });
      const { stdout } = await runCommand(['tail', '--after', '0', '--limit', '1'], env);
      expect(stdout).toContain('"payload":{"a":[1]}');
      expect(await runCommand(['stats'], env)).toMatchObject({ code: 0 });
      // Only that address is known to be the service of the settings.
      const other = url.replace('127.0.0.1', 'localhost');
      expect(await runCommand(['stats', '--url', other], env)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('certificate'),
      });
    });

    it('find another certificate until the service has read the file again', async () => {
      const { folder, env } = await settings();
      const service = await ServiceProcess.start(env);
      renew(folder, env);
      expect(await findings(env)).toMatchObject([{ code: 'service_other_certificate', severity: 'error' }]);
      service.signal('SIGHUP');
      await service.untilSaid(/certificate was read again/);
      expect(await findings(env)).toEqual([]);
    });

    it('give no key to a program that has another certificate, though its authority is in the file', async () => {
      const { folder, env } = await settings();
      const asked: unknown[] = [];
      const other = { cert: readFileSync(env.HTTPS_CERT_FILE), key: readFileSync(env.HTTPS_KEY_FILE) };
      const server = createServer(other, (request, response) => {
        asked.push(request.headers);
        response.end();
      });
      await new Promise<void>((done) => server.listen(Number(env.PORT), '127.0.0.1', done));
      onTestFinished(() => void server.close());
      const authority = readFileSync(join(folder, 'ca.pem'));
      renew(folder, env);
      appendFileSync(env.HTTPS_CERT_FILE, authority);
      const given = { ...env, FOOTFALL_KEY: 'secret' };
      expect(await findings(given)).toMatchObject([{ code: 'service_other_certificate' }]);
      expect(await runCommand(['stats'], given)).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(
          /Nothing was sent to .*it has another certificate than HTTPS_CERT_FILE/,
        ),
      });
      const trusting = { ...given, NODE_TLS_REJECT_UNAUTHORIZED: '0' };
      expect(await runCommand(['stats'], trusting)).toMatchObject({ code: 1 });
      expect(asked).toEqual([]);
    });

    it('find that the certificate has expired', async () => {
      const { folder, env } = await settings();
      makeExpired(folder, { cert: env.HTTPS_CERT_FILE, key: env.HTTPS_KEY_FILE });
      await ServiceProcess.start(env);
      expect(await findings(env)).toMatchObject([{ code: 'service_certificate_expired', severity: 'error' }]);
    });

    it('find nobody where nobody answers, and something else where HTTP does', async () => {
      const { env } = await settings();
      expect(await findings(env)).toEqual([]);
      await ServiceProcess.start({ PORT: env.PORT });
      expect(await findings(env)).toMatchObject([{ code: 'port_taken' }]);
    });
  },
);
