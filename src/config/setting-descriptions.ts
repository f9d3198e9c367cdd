import { SETTINGS } from './settings.ts';

/** One setting as documents show it. */
export interface SettingDescription {
  name: string;
  description: string;
  default?: string | number;
  examples?: string[];
}

export function describeSettings(): SettingDescription[] {
  return Object.entries(SETTINGS.properties).map(([name, schema]) => {
    return { name, ...(schema as unknown as Omit<SettingDescription, 'name'>) };
  });
}
