// In: the environment. Out: the value of each setting, and where it comes from.
import { givenSettings, loadConfig, readEnvFile } from './config.ts';
import { describeSettings } from './setting-descriptions.ts';
import type { Settings } from './settings.ts';
import { shownValue } from './shown-value.ts';

type Variables = Readonly<Record<string, string | undefined>>;

export interface SettingInForce {
  name: string;
  /** Null: not set, or a secret. Addresses are without user, password and query. */
  value: string | number | boolean | null;
  isSecret: boolean;
  source: 'environment' | '.env' | 'file' | 'default' | 'not set';
}

/**
 * @param env the environment alone; the `.env` file is added as the service does
 * @throws ConfigError as `loadConfig`
 */
export function settingsInForce(env: Variables): SettingInForce[] {
  const envFile = readEnvFile();
  // An empty variable hides what the file says.
  const all = { ...envFile, ...env };
  const given = givenSettings(all);
  const config = loadConfig(all);
  return describeSettings().map(({ name, writeOnly: isSecret = false }) => {
    const value = config[name as keyof Settings] ?? null;
    const source = name in given ? (env[name] ? 'environment' : '.env') : sourceOf(value, isSecret);
    if (isSecret) return { name, value: null, isSecret, source };
    return { name, value: typeof value === 'string' ? shownValue(name, value) : value, isSecret, source };
  });
}

/** Of a setting that is in neither place. */
function sourceOf(value: unknown, isSecret: boolean): SettingInForce['source'] {
  if (value === null) return 'not set';
  return isSecret ? 'file' : 'default';
}
