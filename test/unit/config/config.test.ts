import { rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createKey } from '../../../src/access/api-keys.ts';
import { ConfigError, loadConfig } from '../../../src/config/config.ts';
import { describeSettings } from '../../../src/config/setting-descriptions.ts';
import { openKeys } from '../../../src/service.ts';
import { tempFolder } from '../../support/temp-folder.ts';

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

const broker = { KAFKA_BROKERS: 'kafka:9093' };
const sasl = { ...broker, KAFKA_SECURITY_PROTOCOL: 'SASL_SSL' };
const login = {
  ...sasl,
  KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512',
  KAFKA_SASL_USERNAME: 'footfall',
  KAFKA_SASL_PASSWORD: 'secret',
};
const token = {
  ...sasl,
  KAFKA_SASL_MECHANISM: 'OAUTHBEARER',
  KAFKA_OAUTH_TOKEN_URL: 'https://login.example/token',
  KAFKA_OAUTH_CLIENT_ID: 'footfall',
  KAFKA_OAUTH_CLIENT_SECRET: 'secret',
};

describe('loadConfig', () => {
  it('has the defaults of the contract', () => {
    expect(loadConfig({})).toMatchObject({
      PORT: 3000,
      HOST: '127.0.0.1',
      KAFKA_TOPIC: 'user-activity-events',
      KAFKA_CONSUMER_GROUP: 'user-activity-consumer-group',
      KAFKA_PRODUCER_RETRIES: 3,
      KAFKA_PRODUCER_TIMEOUT_MS: 30_000,
      KAFKA_CONSUMER_SESSION_TIMEOUT_MS: 30_000,
      NODE_ENV: 'production',
      brokers: [],
      store: { kind: 'sqlite', path: resolve('data/footfall.db') },
    });
  });

  it('takes an empty value as not set, and ignores the names of others', () => {
    expect(loadConfig({ PORT: '', KAFKA_BROKERS: '', PATH: '/bin' })).toMatchObject({
      PORT: 3000,
      brokers: [],
    });
  });

  it.each([
    ['no collector', {}],
    ['OpenTelemetry switched off', { OTEL_EXPORTER_OTLP_ENDPOINT: 'grpc://c', OTEL_SDK_DISABLED: 'TRUE' }],
  ])('leaves the tracing of other programs alone with %s', (_, env) => {
    const others = { OTEL_TRACES_SAMPLER: 'xray', OTEL_TRACES_SAMPLER_ARG: 'endpoint=http://c' };
    expect(problemsOf({ ...others, ...env })).toEqual([]);
    const problems = problemsOf({ ...others, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' });
    expect(problems).toHaveLength(2);
    expect(problems[0]).toContain('OTEL_TRACES_SAMPLER must be one of always_on');
  });

  it.each([
    ['True', true],
    ['1', false],
    ['no', false],
  ])('switches OpenTelemetry off as its specification says: %s', (value, isOff) => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318', OTEL_SDK_DISABLED: value };
    expect(loadConfig(env).OTEL_SDK_DISABLED).toBe(isOff);
    expect(loadConfig(env).OTEL_EXPORTER_OTLP_ENDPOINT).toBe(isOff ? undefined : 'http://c:4318');
  });

  it('does not serve other machines without keys, unless it is told that nobody needs one', () => {
    expect(problemsOf({ HOST: '0.0.0.0' })[0]).toMatch(/HOST=0\.0\.0\.0 .*API_KEYS_FILE.*AUTH=off/);
    expect(loadConfig({ HOST: '0.0.0.0', AUTH: 'off' }).keySource).toBeUndefined();
    expect(loadConfig({ HOST: '0.0.0.0', API_KEYS: '[]' }).keySource).toEqual({ text: '[]' });
    for (const HOST of ['127.0.0.1', '::1', 'localhost', '127.1.2.3']) {
      expect(loadConfig({ HOST }).keySource).toBeUndefined();
    }
    expect(problemsOf({ AUTH: 'keys' })[0]).toContain('AUTH=keys needs keys');
  });

  it('reads brokers and each kind of store', () => {
    expect(loadConfig({ KAFKA_BROKERS: 'a:9092, b:9093' }).brokers).toEqual(['a:9092', 'b:9093']);
    expect(loadConfig({ DATABASE_URL: 'memory:' }).store).toEqual({ kind: 'memory' });
    expect(loadConfig({ DATABASE_URL: 'sqlite:x/y.db' }).store).toEqual({
      kind: 'sqlite',
      path: resolve('x/y.db'),
    });
    expect(loadConfig({ DATABASE_URL: 'sqlite:///x/y.db' }).store).toEqual({
      kind: 'sqlite',
      path: '/x/y.db',
    });
    expect(loadConfig({ DATABASE_URL: 'postgresql://u@h/d', DATABASE_POOL_SIZE: '3' }).store).toEqual({
      kind: 'postgres',
      url: 'postgresql://u@h/d',
      poolSize: 3,
      migrates: true,
    });
    expect(loadConfig({ DATABASE_URL: 'postgresql://u@h/d', DATABASE_MIGRATE: 'off' }).store).toMatchObject({
      migrates: false,
    });
  });

  it('takes a replica for reading beside PostgreSQL alone', () => {
    const readUrl = 'postgres://u@replica/d';
    expect(loadConfig({ DATABASE_URL: 'postgres://u@h/d', DATABASE_READ_URL: readUrl }).store).toMatchObject({
      url: 'postgres://u@h/d',
      readUrl,
    });
    const needs = [expect.stringContaining('DATABASE_READ_URL needs DATABASE_URL=postgres://')];
    expect(problemsOf({ DATABASE_READ_URL: readUrl })).toEqual(needs);
    expect(problemsOf({ DATABASE_READ_URL: readUrl, DATABASE_URL: 'memory:' })).toEqual(needs);
    expect(problemsOf({ DATABASE_READ_URL: `${readUrl}?x=1`, DATABASE_URL: 'postgres://u@h/d' })).toEqual([
      expect.stringMatching(/^DATABASE_READ_URL: it has the parameter x/),
    ]);
  });

  it('names every setting at fault in one message', () => {
    const problems = problemsOf({
      PORT: 'abc',
      KAFKA_BROKERS: 'kafka',
      LOG_LEVEL: 'loud',
      KAFKA_PRODUCER_TIMEOUT_MS: '-1',
      KAFKA_PRODUCER_RETRIES: '1.5',
    });
    expect(problems.map((line) => line.split(' ')[0]).sort()).toEqual([
      'KAFKA_BROKERS',
      'KAFKA_PRODUCER_RETRIES',
      'KAFKA_PRODUCER_TIMEOUT_MS',
      'LOG_LEVEL',
      'PORT',
    ]);
    expect(problems.join()).toContain('trace, debug, info');
    expect(problems.join()).toContain('(it is "abc")');
    expect(new ConfigError(problems).message).toContain('  - PORT');
  });

  it('does not repeat a database address, which holds a password', () => {
    const problems = problemsOf({ DATABASE_URL: 'mysql://user:secret@host/db' });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain('postgres://');
    expect(problems[0]).not.toContain('secret');
  });

  it('has a file for each secret', async () => {
    const secrets = describeSettings().filter(({ writeOnly }) => writeOnly);
    expect(secrets.map(({ name }) => name)).toEqual([
      'API_KEYS',
      'KAFKA_SASL_PASSWORD',
      'KAFKA_OAUTH_CLIENT_SECRET',
      'DATABASE_URL',
      'DATABASE_READ_URL',
    ]);
    const path = join(await tempFolder(), 'secret');
    await writeFile(path, 'postgres://u@h/x\n');
    for (const { name } of secrets) {
      const setting = `${name}_FILE`;
      expect(problemsOf({ [setting]: path, [name]: 'sqlite:y.db' })[0]).toBe(
        `${name} and ${setting} are both set: keep one`,
      );
      expect(problemsOf({ [setting]: `${path}.missing` })[0]).toMatch(`${setting} cannot be read: ENOENT`);
      // Some need others beside them.
      const sets = [login, token, { DATABASE_READ_URL: '', DATABASE_URL: 'postgres://u@h/d' }];
      const others: Record<string, string> = sets.find((known) => name in known) ?? {};
      expect(loadConfig({ ...others, [name]: '', [setting]: path })).toMatchObject({
        [name]: 'postgres://u@h/x',
        [setting]: path,
      });
    }
    await writeFile(path, '\n');
    expect(problemsOf({ DATABASE_URL_FILE: path })).toEqual([`DATABASE_URL_FILE: ${path} is empty`]);
    await writeFile(path, 'mysql://user:secret@host/db');
    expect(problemsOf({ DATABASE_URL_FILE: path })).toEqual([expect.not.stringContaining('secret@')]);
  });

  it('reads the file of the API keys once: it may be a pipe', async () => {
    const file = join(await tempFolder(), 'keys.json');
    await writeFile(file, JSON.stringify([createKey({ name: 'shop', scopes: ['write'] }).entry]));
    const config = loadConfig({ API_KEYS_FILE: file });
    await rm(file);
    expect(openKeys(config)?.count).toBe(1);
  });

  it('refuses a log that contradicts the brokers', () => {
    expect(loadConfig({ LOG: 'embedded' }).brokers).toEqual([]);
    expect(loadConfig({ LOG: 'kafka', KAFKA_BROKERS: 'k:9092' }).brokers).toEqual(['k:9092']);
    expect(problemsOf({ LOG: 'kafka' })).toEqual([
      expect.stringMatching(/needs KAFKA_BROKERS.*LOG=embedded/),
    ]);
    expect(problemsOf({ LOG: 'embedded', KAFKA_BROKERS: 'k:9092' })).toEqual([
      expect.stringContaining('contradict each other'),
    ]);
    expect(problemsOf({ LOG: 'debug' })).toEqual([
      'LOG must be one of embedded, kafka (it is "debug"), which is for LOG_LEVEL',
    ]);
  });

  it('names all contradictions at once', () => {
    expect(problemsOf({ LOG: 'kafka', ROLE: 'api', WORKERS: '2' })).toHaveLength(3);
    expect(problemsOf({ LOG: 'kafka', HOST: '0.0.0.0', HTTPS_KEY_FILE: 'key.pem' })).toEqual([
      expect.stringContaining('AUTH=off'),
      expect.stringContaining('HTTPS_CERT_FILE'),
      expect.stringContaining('LOG=embedded'),
    ]);
  });

  it('names invalid values and contradictions at once', () => {
    expect(problemsOf({ LOG_LEVEL: 'loud', LOG: 'kafka' })).toEqual([
      expect.stringContaining('LOG_LEVEL must be one of'),
      expect.stringContaining('LOG=kafka needs KAFKA_BROKERS'),
    ]);
    expect(problemsOf({ DATABASE_URL: 'postgres://h:x/db', LOG: 'kafka', ROLE: 'api' })).toEqual([
      expect.stringContaining('DATABASE_URL: it has a host or a port'),
      expect.stringContaining('LOG=kafka needs KAFKA_BROKERS'),
      expect.stringContaining('ROLE=api needs KAFKA_BROKERS'),
    ]);
    const everywhere = { LOGLEVEL: 'debug', DATABASE_URL_FILE: 'missing', PORT: 'x', HTTPS_KEY_FILE: 'key' };
    expect(problemsOf({ ...everywhere, KAFKA_SSL_CA_FILE: 'ca' })).toEqual([
      expect.stringContaining('LOGLEVEL is not a setting'),
      expect.stringContaining('DATABASE_URL_FILE cannot be read'),
      expect.stringContaining('PORT must be integer'),
      expect.stringContaining('HTTPS_CERT_FILE and HTTPS_KEY_FILE belong together'),
      expect.stringContaining('KAFKA_SSL_CA_FILE is set, but'),
    ]);
  });

  it.each([
    [{ KAFKA_BROKER: 'a:9092', LOG: 'kafka' }, 'KAFKA_BROKER is not a setting'],
    [{ KAFKA_BROKERS: 'kafka', LOG: 'kafka', ROLE: 'api' }, 'KAFKA_BROKERS is not of the right form'],
    [{ HOST: '0.0.0.0', API_KEYS_FILE: 'missing' }, 'API_KEYS_FILE cannot be read'],
    [
      { KAFKA_BROKERS: 'a:9092', DATABASE_URL_FILE: 'missing', ROLE: 'api' },
      'DATABASE_URL_FILE cannot be read',
    ],
    [{ ...login, KAFKA_SECURITY_PROTOCOL: 'sasl_ssl' }, 'KAFKA_SECURITY_PROTOCOL must be one of'],
    [
      { ...login, KAFKA_SASL_PASSWORD: '', KAFKA_SASL_PASSWORD_FILE: 'missing' },
      'KAFKA_SASL_PASSWORD_FILE cannot',
    ],
  ])('does not name what only follows from another problem: %j', (env, problem) => {
    expect(problemsOf(env)).toEqual([expect.stringContaining(problem)]);
  });

  it('reads how to connect to Kafka', () => {
    expect(loadConfig(broker).kafkaSecurity).toEqual({ tls: undefined, sasl: undefined });
    const files = { KAFKA_SSL_CA_FILE: 'ca', KAFKA_SSL_CERT_FILE: 'cert', KAFKA_SSL_KEY_FILE: 'key' };
    expect(loadConfig({ ...broker, KAFKA_SECURITY_PROTOCOL: 'SSL', ...files }).kafkaSecurity).toEqual({
      tls: { ca: 'ca', cert: 'cert', key: 'key' },
      sasl: undefined,
    });
    expect(loadConfig(login).kafkaSecurity).toEqual({
      tls: { ca: undefined, cert: undefined, key: undefined },
      sasl: {
        mechanism: 'SCRAM-SHA-512',
        username: 'footfall',
        password: { text: 'secret', file: undefined },
      },
    });
    expect(
      loadConfig({ ...token, KAFKA_SECURITY_PROTOCOL: 'SASL_PLAINTEXT', KAFKA_OAUTH_SCOPE: 'a b' })
        .kafkaSecurity,
    ).toEqual({
      tls: undefined,
      sasl: {
        mechanism: 'OAUTHBEARER',
        tokenUrl: 'https://login.example/token',
        clientId: 'footfall',
        clientSecret: { text: 'secret', file: undefined },
        scope: 'a b',
      },
    });
  });

  it.each<[env: Record<string, string>, problems: string[]]>([
    [{ KAFKA_SECURITY_PROTOCOL: 'SSL' }, ['KAFKA_SECURITY_PROTOCOL=SSL needs KAFKA_BROKERS']],
    [
      { ...broker, KAFKA_SSL_CA_FILE: 'ca' },
      [
        'KAFKA_SSL_CA_FILE is set, but KAFKA_SECURITY_PROTOCOL=PLAINTEXT does not use TLS: set it to SSL or SASL_SSL',
      ],
    ],
    [
      { ...login, KAFKA_SECURITY_PROTOCOL: 'SASL_PLAINTEXT', KAFKA_SSL_CA_FILE: 'ca' },
      [
        'KAFKA_SSL_CA_FILE is set, but KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT does not use TLS: set it to SASL_SSL',
      ],
    ],
    [
      { ...broker, KAFKA_SECURITY_PROTOCOL: 'SSL', KAFKA_SSL_CERT_FILE: 'cert' },
      ['KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE belong together: set both, or neither'],
    ],
    [
      { ...login, KAFKA_SECURITY_PROTOCOL: 'PLAINTEXT' },
      [
        'KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD are set, but KAFKA_SECURITY_PROTOCOL=PLAINTEXT does not use SASL: set it to SASL_SSL or SASL_PLAINTEXT',
      ],
    ],
    [
      { ...broker, KAFKA_SECURITY_PROTOCOL: 'SSL', KAFKA_SASL_MECHANISM: 'PLAIN' },
      ['KAFKA_SASL_MECHANISM is set, but KAFKA_SECURITY_PROTOCOL=SSL does not use SASL: set it to SASL_SSL'],
    ],
    [sasl, ['KAFKA_SECURITY_PROTOCOL=SASL_SSL needs KAFKA_SASL_MECHANISM']],
    [
      { ...sasl, KAFKA_SASL_MECHANISM: 'PLAIN' },
      [
        'KAFKA_SASL_MECHANISM=PLAIN needs KAFKA_SASL_USERNAME',
        'KAFKA_SASL_MECHANISM=PLAIN needs KAFKA_SASL_PASSWORD or KAFKA_SASL_PASSWORD_FILE',
      ],
    ],
    [
      { ...login, KAFKA_OAUTH_CLIENT_ID: 'id' },
      ['KAFKA_OAUTH_CLIENT_ID is set, but KAFKA_SASL_MECHANISM=SCRAM-SHA-512 uses a name and a password'],
    ],
    [
      { ...sasl, KAFKA_SASL_MECHANISM: 'OAUTHBEARER', KAFKA_SASL_USERNAME: 'footfall' },
      [
        'KAFKA_SASL_USERNAME is set, but KAFKA_SASL_MECHANISM=OAUTHBEARER uses tokens',
        'KAFKA_SASL_MECHANISM=OAUTHBEARER needs KAFKA_OAUTH_TOKEN_URL',
        'KAFKA_SASL_MECHANISM=OAUTHBEARER needs KAFKA_OAUTH_CLIENT_ID',
        'KAFKA_SASL_MECHANISM=OAUTHBEARER needs KAFKA_OAUTH_CLIENT_SECRET or KAFKA_OAUTH_CLIENT_SECRET_FILE',
      ],
    ],
    [
      { ...broker, KAFKA_SECURITY_PROTOCOL: 'TLS' },
      ['KAFKA_SECURITY_PROTOCOL must be one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL (it is "TLS")'],
    ],
  ])('says what is wrong with settings of Kafka that do not fit: %o', (env, problems) => {
    expect(problemsOf(env)).toEqual(problems);
  });

  it('warns where a secret is sent unencrypted', () => {
    const clear = { KAFKA_SECURITY_PROTOCOL: 'SASL_PLAINTEXT' };
    expect(loadConfig(login).warnings).toEqual([]);
    expect(loadConfig({ ...login, ...clear }).warnings).toEqual([]);
    expect(loadConfig({ ...login, ...clear, KAFKA_SASL_MECHANISM: 'PLAIN' }).warnings).toEqual([
      expect.stringContaining('sends the password unencrypted: use SASL_SSL'),
    ]);
    expect(
      loadConfig({ ...token, ...clear, KAFKA_OAUTH_TOKEN_URL: 'http://login.example/token' }).warnings,
    ).toEqual([
      expect.stringContaining('sends tokens unencrypted: use SASL_SSL'),
      'KAFKA_OAUTH_TOKEN_URL is not https: the client secret is sent unencrypted',
    ]);
  });

  it('does not repeat an address of tokens that holds a password', () => {
    expect(problemsOf({ ...token, KAFKA_OAUTH_TOKEN_URL: 'https://user:secret@host/token' })).toEqual([
      'KAFKA_OAUTH_TOKEN_URL holds a user or a password: give those as KAFKA_OAUTH_CLIENT_ID and KAFKA_OAUTH_CLIENT_SECRET',
    ]);
    expect(problemsOf({ ...token, KAFKA_OAUTH_TOKEN_URL: 'https://:' })).toEqual([
      'KAFKA_OAUTH_TOKEN_URL is not an address',
    ]);
  });

  it('refuses half a service where only one process can have the data', () => {
    expect(problemsOf({ ROLE: 'api' })[0]).toContain('ROLE=api needs KAFKA_BROKERS');
    expect(problemsOf({ ROLE: 'consumer', KAFKA_BROKERS: 'k:9092' })).toHaveLength(1);
    expect(loadConfig({ ROLE: 'api', KAFKA_BROKERS: 'k:9092', DATABASE_URL: 'postgres://h/d' }).ROLE).toBe(
      'api',
    );
  });
});
