import { SETTINGS } from './settings.ts';

/** One setting as shown in documents. */
export interface SettingDescription {
  name: string;
  description: string;
  default?: string | number;
  examples?: string[];
  enum?: string[];
  /** It holds a secret. */
  writeOnly?: boolean;
}

export function describeSettings(): SettingDescription[] {
  return Object.entries(SETTINGS.properties).map(([name, schema]) => {
    return { name, ...(schema as unknown as Omit<SettingDescription, 'name'>) };
  });
}
