import { chmod, chown, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createDatabase, PostgresServer } from '../../scripts/postgres-server.ts';
import { StoreUnavailableError } from '../../src/store/event-store.ts';
import { hasProgram, makeCertificate } from '../support/certificates.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { byHand, openStore } from '../support/postgres.ts';

// Left out only where there is no openssl, and said so; with CI=true that is an error instead.
describe.skipIf(!hasProgram('openssl', 'version', 'the tests of TLS to PostgreSQL'))(
  'TLS to PostgreSQL',
  () => {
    let folder: string;
    let server: PostgresServer;
    /** Of the name in the certificate, and of the same address without it. */
    let [named, unnamed] = ['', ''];
    let ca: string;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'footfall-tls-'));
      await chmod(folder, 0o755);
      const databaseDir = join(folder, 'postgres');
      server = await PostgresServer.start(databaseDir);
      const { cert, key, ...rest } = makeCertificate(folder);
      ca = rest.ca;
      const { uid, gid } = await stat(databaseDir);
      await chown(key, uid, gid);
      unnamed = await createDatabase(server.url);
      named = unnamed.replace('127.0.0.1', 'localhost');
      for (const setting of [`ssl_cert_file = '${cert}'`, `ssl_key_file = '${key}'`, 'ssl = on']) {
        await byHand(unnamed, `alter system set ${setting}`);
      }
      await byHand(unnamed, 'select pg_reload_conf()');
    });
    afterAll(async () => {
      await server.stop();
      await rm(folder, { recursive: true });
    });

    /** @returns why it does not, where it does not */
    async function connect(address: string, parameters: string): Promise<string> {
      try {
        await openStore(`${address}?${parameters}`).ping(PATIENCE_MS);
      } catch (error) {
        expect(error).toBeInstanceOf(StoreUnavailableError);
        return (error as Error).message;
      }
      return 'works';
    }

    async function isEncrypted(address: string, parameters: string): Promise<boolean> {
      const name = `tls-${crypto.randomUUID()}`;
      const store = openStore(`${address}?${parameters}&application_name=${name}`);
      await store.ping(PATIENCE_MS);
      const [row] = await byHand<{ ssl: boolean }>(
        unnamed,
        `select ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name = '${name}'`,
      );
      return row!.ssl;
    }

    it('is used where sslmode asks for it, and checked by name with the authority that is given', async () => {
      for (const mode of ['require', 'verify-ca', 'verify-full']) {
        expect([mode, await isEncrypted(named, `sslmode=${mode}&sslrootcert=${ca}`)]).toEqual([mode, true]);
      }
      expect(await isEncrypted(named, `sslrootcert=${ca}`)).toBe(true);
      expect(await isEncrypted(named, `sslmode=require&sslnegotiation=direct&sslrootcert=${ca}`)).toBe(true);
      expect(await isEncrypted(named, 'sslmode=disable')).toBe(false);
    });

    it('is refused to an authority that is not known, with what to write', async () => {
      const advice =
        'name the file of its authority with sslrootcert, or write sslmode=no-verify to encrypt without checking';
      for (const mode of ['require', 'verify-ca', 'verify-full']) {
        expect(await connect(named, `sslmode=${mode}`)).toMatch(new RegExp(`certificate.*: ${advice}$`));
      }
    });

    it('is refused to another name, unless the name is not asked for', async () => {
      expect(await connect(unnamed, `sslmode=verify-full&sslrootcert=${ca}`)).toMatch(
        /does not match certificate's altnames: IP: 127\.0\.0\.1 is not in the cert's list/,
      );
      expect(await isEncrypted(unnamed, `sslmode=verify-ca&sslrootcert=${ca}`)).toBe(true);
      expect(await isEncrypted(unnamed, 'sslmode=no-verify')).toBe(true);
    });

    it('is missed on a server that has none', async () => {
      const without = await createDatabase(inject('postgres'));
      expect(await connect(without, 'sslmode=require')).toBe(
        'The server does not support SSL connections: write sslmode=disable, or give the server a certificate',
      );
      expect(await connect(without, 'sslmode=disable')).toBe('works');
    });
  },
);
