import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../../src/config/config.ts';
import { describeSettings } from '../../../src/config/setting-descriptions.ts';
import { settingsInForce } from '../../../src/config/settings-in-force.ts';
import { shownValue } from '../../../src/config/shown-value.ts';

const LOGIN = {
  KAFKA_BROKERS: 'kafka:9092',
  KAFKA_SECURITY_PROTOCOL: 'SASL_SSL',
  KAFKA_SASL_MECHANISM: 'OAUTHBEARER',
  KAFKA_OAUTH_TOKEN_URL: 'https://login.example/token',
  KAFKA_OAUTH_CLIENT_ID: 'footfall',
  KAFKA_OAUTH_CLIENT_SECRET: 'x',
};
const ADDRESSES = [
  'ftp://user:secret@h/',
  'https://user:secret@login.example',
  'https://login.example?client_secret=secret',
  'https://login.example/token?client_secret=secret',
  'postgres://user:secret@h/d',
];

/** Everything said about settings: what is wrong with them, or what is in force. */
function saidAbout(env: Record<string, string>): string {
  try {
    return JSON.stringify(settingsInForce(env));
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

describe('what is shown of a setting', () => {
  it.each(describeSettings())('$name is shown without a password or a token', ({ name }) => {
    for (const address of ADDRESSES) {
      expect(saidAbout({ ...LOGIN, [name]: address })).not.toMatch(/secret@|=secret/);
    }
  });

  it.each(['HOST', 'CORS_ORIGINS', 'ALLOWED_HOSTS', 'KAFKA_BROKERS', 'KAFKA_OAUTH_TOKEN_URL'])(
    '%s needs no scheme for that',
    (name) => {
      const said = saidAbout({ ...LOGIN, [name]: 'user:secret@host:9092' });
      expect(said).toContain('…@host:9092');
      expect(said).not.toContain('secret@');
    },
  );

  it.each([
    ['https://login.example/token', 'https://login.example/token'],
    ['https://login.example/token?a=b', 'https://login.example/token?…'],
    ['https://login.example/#a', 'https://login.example/?…'],
    ['a:9092,user:p@b:9092', '…@b:9092'],
    ['user:p@a:9092,user:p@b:9092', '…@b:9092'],
    ['user:p/w@a:9092', '…@a:9092'],
    ['https://user@h/?token=x', 'https://…@h/?…'],
    // A password may hold a "?", and a query an "@".
    ['https://user:p?w@h', 'https://…'],
    ['https://h/?mail=a@b&token=x', 'https://…'],
  ])('%s is shown as %s', (address, shown) => {
    expect(shownValue('KAFKA_BROKERS', address)).toBe(shown);
  });

  it('is all of what is no address', () => {
    expect(shownValue('DATA_DIR', './me@home?')).toBe('./me@home?');
  });
});
