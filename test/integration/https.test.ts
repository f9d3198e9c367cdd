import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { get, type RequestOptions, request } from 'node:https';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { hasProgram, makeCertificate } from '../support/certificates.ts';
import { startNginx } from '../support/nginx.ts';
import { serviceHere } from '../support/service.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** What is answered, and by which certificate, on a connection of its own. */
function ask(options: RequestOptions): Promise<{ status: number; body: string; serial: string }> {
  return new Promise((resolve, reject) => {
    const sent = get({ servername: 'localhost', agent: false, ...options }, (answer) => {
      const serial = (answer.socket as TLSSocket).getPeerCertificate().serialNumber;
      let body = '';
      answer.setEncoding('utf8').on('data', (chunk) => {
        body += chunk;
      });
      answer.on('end', () => resolve({ status: answer.statusCode!, body, serial }));
    });
    sent.on('error', reject);
  });
}

async function certificateFolder() {
  const folder = await tempFolder();
  return { folder, ...makeCertificate(folder) };
}

describe.skipIf(!hasProgram('openssl', 'version', 'the tests of HTTPS'))('HTTPS', () => {
  it('is answered with the certificate given, and with the new one after SIGHUP', async () => {
    const { folder, ca, cert, key } = await certificateFolder();
    const service = await ServiceProcess.start({ HTTPS_CERT_FILE: cert, HTTPS_KEY_FILE: key });
    expect(service.url).toMatch(/^https:/);
    const { port } = new URL(service.url);
    const first = await ask({ port, path: '/events/processed', ca: readFileSync(ca) });
    expect(first).toMatchObject({ status: 200, body: '[]' });

    writeFileSync(cert, 'nothing');
    service.signal('SIGHUP');
    await service.untilSaid(/certificate is not changed/);
    expect((await ask({ port, path: '/livez', ca: readFileSync(ca) })).serial).toBe(first.serial);

    mkdirSync(join(folder, 'next'));
    const next = makeCertificate(join(folder, 'next'));
    copyFileSync(next.cert, cert);
    copyFileSync(next.key, key);
    service.signal('SIGHUP');
    await service.untilSaid(/certificate was read again/);
    const renewed = await ask({ port, path: '/livez', ca: readFileSync(next.ca) });
    expect(renewed.status).toBe(200);
    expect(renewed.serial).not.toBe(first.serial);
  });

  it('needs files that fit each other, and says so at the start', async () => {
    const one = await certificateFolder();
    const other = await certificateFolder();
    const start = (cert: string, key: string) => serviceHere({ HTTPS_CERT_FILE: cert, HTTPS_KEY_FILE: key });
    await expect(start(one.cert, other.key)).rejects.toThrow(/HTTPS_CERT_FILE.*cannot be used/);
    await expect(start(one.cert, `${one.key}.gone`)).rejects.toThrow(/ENOENT/);
    await expect(start(one.cert, '')).rejects.toThrow(/set both, or neither/);
  });
});

describe.skipIf(!hasProgram('nginx', '-v', 'the tests of nginx in front'))(
  'nginx as in docs/security.md',
  () => {
    it('takes an event, reads it, streams it as it comes, and logs no query', async () => {
      const { folder, ca, cert, key } = await certificateFolder();
      const { url } = await serviceHere({ ALLOWED_HOSTS: 'events.example' });
      const socketPath = join(folder, 'nginx.sock');
      startNginx(folder, 'docs/security.md', {
        'listen 443 ssl': `listen unix:${socketPath} ssl`,
        '/etc/nginx/events.example.pem': cert,
        '/etc/nginx/events.example.key': key,
        '/var/log/nginx/events.example.log': join(folder, 'access.log'),
        'http://127.0.0.1:3000': url,
      });
      await expect.poll(() => existsSync(socketPath)).toBe(true);
      const through = { socketPath, ca: readFileSync(ca), headers: { Host: 'events.example' } };

      const streamed = new Promise<string>((resolve, reject) => {
        let text = '';
        const path = '/events/stream?after=0&ticket=secret';
        const stream = get({ ...through, servername: 'localhost', agent: false, path }, (answer) => {
          answer.setEncoding('utf8').on('data', (chunk) => {
            text += chunk;
            if (text.includes('data:')) resolve(text);
          });
        });
        stream.on('error', reject);
        onTestFinished(() => void stream.destroy());
      });
      const event = { userId: 'proxied', eventType: 'LOGIN' };
      expect(await postThrough(through, event)).toBe(201);
      expect(await streamed).toContain('"userId":"proxied"');
      const read = await ask({ ...through, path: '/events/processed' });
      expect([read.status, read.body.includes('proxied')]).toEqual([200, true]);
      const accessLog = () => readFileSync(join(folder, 'access.log'), 'utf8');
      await expect.poll(accessLog).toContain('"GET /events/processed" 200');
      expect(accessLog()).not.toContain('?');
    });
  },
);

/** As a page of the same origin does. */
function postThrough(through: RequestOptions, event: object): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = {
      Host: 'events.example',
      'Content-Type': 'application/json',
      Origin: 'https://events.example',
    };
    const options = { ...through, servername: 'localhost', agent: false as const, method: 'POST', headers };
    const sent = request({ ...options, path: '/events/generate?ack=stored' }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode!));
    });
    sent.on('error', reject).end(JSON.stringify(event));
  });
}
