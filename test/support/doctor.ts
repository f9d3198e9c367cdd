import { diagnose } from '../../src/doctor/diagnosis.ts';
import type { Finding } from '../../src/doctor/finding.ts';

export interface Patient {
  env: Record<string, string>;
  /** Of a service that should answer; not given: none is expected. */
  url?: string;
  key?: string | undefined;
}

/** What is broken, the code of the cause, and how to break it. */
export type Row = [what: string, code: string, breakIt: () => Promise<Patient>];

const NOBODY = 'http://127.0.0.1:0';

/** What the first line of the doctor names. */
export async function firstFinding({ env, url, key }: Patient): Promise<Finding | undefined> {
  const service = { url: url ?? NOBODY, key };
  const { findings } = await diagnose({ env, service, isExpected: url !== undefined });
  return findings[0];
}

export async function firstCode(patient: Patient): Promise<string | undefined> {
  return (await firstFinding(patient))?.code;
}
