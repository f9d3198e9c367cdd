// In: what is going to be printed. Out: the same without secrets, whoever may have repeated one.
import { readSecrets } from '../config/secrets.ts';
import { describeSettings } from '../config/setting-descriptions.ts';

/** Shorter ones would be found in words. */
const LEAST_LENGTH = 4;

/**
 * @param given variables by name; those that are no settings of Footfall are left out
 * @returns values of secret settings, also from files, and passwords within addresses; the longest first
 */
export function secretsIn(given: Readonly<Record<string, string | undefined>>): string[] {
  const set = Object.entries(given).filter((one): one is [string, string] => Boolean(one[1]));
  const all: Record<string, string> = {
    ...Object.fromEntries(set),
    ...readSecrets(Object.fromEntries(set)).values,
  };
  const found = describeSettings().flatMap(({ name, writeOnly }) => {
    const value = all[name] ?? '';
    return [...(writeOnly ? [value.trim()] : []), ...passwordsIn(value)];
  });
  return [...new Set([...found, all.FOOTFALL_KEY?.trim() ?? ''])]
    .filter(({ length }) => length >= LEAST_LENGTH)
    .sort((one, other) => other.length - one.length);
}

/** Between user and host, and as a parameter; as written, and decoded. */
function passwordsIn(value: string): string[] {
  const written = [...value.matchAll(/\/\/[^/:@\s]*:([^/\s]*)@|[?&;\s](?:ssl)?password=([^&;\s]*)/g)].map(
    ([, before, parameter]) => before ?? parameter!,
  );
  return written.flatMap((text) => [text, decoded(text)]);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Members that hold Footfall's own words: a secret such as "footfall" or "error" is not one there. */
const OWN_WORDS = ['code', 'severity', 'next', 'status', 'state', 'name'];

/** Replaces secrets in every text of a value that can be written as JSON, where they are whole words. */
export function withoutSecrets<T>(value: T, secrets: readonly string[]): T {
  const patterns = secrets.map((secret) => new RegExp(`(?<!\\w)${RegExp.escape(secret)}(?!\\w)`, 'g'));
  const clean = (text: string) => patterns.reduce((rest, secret) => rest.replace(secret, '…'), text);
  // Each text by itself: as JSON, quotes in a secret would be written in another way.
  return JSON.parse(JSON.stringify(value), (name, one) =>
    typeof one === 'string' && !OWN_WORDS.includes(name) ? clean(one) : one,
  ) as T;
}
