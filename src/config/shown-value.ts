import type { Settings } from './settings.ts';

/** Settings for addresses, in which people also write a password or a token. */
const ADDRESSES: readonly (keyof Settings)[] = [
  'HOST',
  'CORS_ORIGINS',
  'ALLOWED_HOSTS',
  'KAFKA_BROKERS',
  'KAFKA_OAUTH_TOKEN_URL',
];

/** The value of a setting as it may be printed: what is printed ends up in logs. */
export function shownValue(name: string, value: string): string {
  // Any setting can be given the address of another one by mistake.
  const isAddress = value.includes('://') || (ADDRESSES as readonly string[]).includes(name);
  return isAddress ? withoutSecrets(value) : value;
}

/** Without user, password and query. */
export function withoutSecrets(address: string): string {
  const [, scheme = '', rest] = /^([\w+.-]+:\/\/)?(.*)$/s.exec(address)!;
  const query = rest!.search(/[?#]/);
  const userEnd = rest!.lastIndexOf('@');
  // Either a "?" in a password or an "@" in a query: what is between them may belong to both.
  if (query !== -1 && query < userEnd) return `${scheme}…`;
  const shown = query === -1 ? rest! : `${rest!.slice(0, query)}?…`;
  return scheme + (userEnd === -1 ? shown : `…${shown.slice(userEnd)}`);
}
