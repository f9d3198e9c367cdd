import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from '../../../src/config/config.ts';

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

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

  it('takes an empty value as not set, and ignores names it does not know', () => {
    expect(loadConfig({ PORT: '', KAFKA_BROKERS: '', PATH: '/bin' })).toMatchObject({
      PORT: 3000,
      brokers: [],
    });
  });

  it('does not serve other machines without keys, unless it is told that nobody needs one', () => {
    expect(problemsOf({ HOST: '0.0.0.0' })[0]).toMatch(/HOST=0\.0\.0\.0 .*API_KEYS_FILE.*AUTH=off/);
    expect(loadConfig({ HOST: '0.0.0.0', AUTH: 'off' }).keySource).toBeUndefined();
    expect(loadConfig({ HOST: '0.0.0.0', API_KEYS_FILE: 'keys.json' }).keySource).toEqual({
      file: 'keys.json',
    });
    for (const HOST of ['127.0.0.1', '::1', 'localhost', '127.1.2.3']) {
      expect(loadConfig({ HOST }).keySource).toBeUndefined();
    }
    expect(problemsOf({ AUTH: 'keys' })[0]).toContain('AUTH=keys needs keys');
    expect(problemsOf({ API_KEYS: '[]', API_KEYS_FILE: 'f' })[0]).toContain('both set');
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
    });
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

  it('refuses half a service where only one process can have the data', () => {
    expect(problemsOf({ ROLE: 'api' })[0]).toContain('ROLE=api needs KAFKA_BROKERS');
    expect(problemsOf({ ROLE: 'consumer', KAFKA_BROKERS: 'k:9092' })).toHaveLength(1);
    expect(loadConfig({ ROLE: 'api', KAFKA_BROKERS: 'k:9092', DATABASE_URL: 'postgres://h/d' }).ROLE).toBe(
      'api',
    );
  });
});
