// In: the environment. Out: secrets that it gives as files.
import { readFileSync } from 'node:fs';
import { describeSettings } from './setting-descriptions.ts';
import { shownValue } from './shown-value.ts';

/** The text of a file that holds a secret: editors and `echo` end it with a line break, which is not part of it. */
export function readSecretFile(path: string): string {
  return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
}

/**
 * Reads the file of each secret given as `…_FILE`. Whoever wants to read it again later has the path in that setting.
 *
 * @param given variables that have a value
 */
export function readSecrets(given: Readonly<Record<string, string>>) {
  const values: Record<string, string> = {};
  const problems: string[] = [];
  for (const { name } of describeSettings().filter(({ writeOnly }) => writeOnly)) {
    const setting = `${name}_FILE`;
    const path = given[setting];
    if (path === undefined) continue;
    if (given[name] !== undefined) problems.push(`${name} and ${setting} are both set: keep one`);
    try {
      const text = readSecretFile(path);
      if (text === '') problems.push(`${setting}: ${shownValue(setting, path)} is empty`);
      else values[name] = text;
    } catch (error) {
      const why = (error as Error).message.replaceAll(path, shownValue(setting, path));
      problems.push(`${setting} cannot be read: ${why}`);
    }
  }
  return { values, problems };
}
