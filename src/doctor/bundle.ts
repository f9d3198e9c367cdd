// In: a diagnosis. Out: one file with what a maintainer asks for, and nothing of an event.
import { writeFile } from 'node:fs/promises';
import { arch, availableParallelism, freemem, release, totalmem, type } from 'node:os';
import packageJson from '../../package.json' with { type: 'json' };
import { systemClock } from '../clock.ts';
import { settingsInForce } from '../config/settings-in-force.ts';
import type { Diagnosis } from './diagnosis.ts';
import { statusOf } from './finding.ts';
import { withoutSecrets } from './redaction.ts';

interface BundleOptions {
  env: Readonly<Record<string, string | undefined>>;
  secrets: readonly string[];
}

/** Only its owner may read it. @throws EEXIST if there is such a file already */
export async function writeBundle(
  path: string,
  { findings, checks, examinations, url, service, areSettingsRight }: Diagnosis,
  { env, secrets }: BundleOptions,
): Promise<void> {
  const bundle = {
    writtenAt: systemClock.date().toISOString(),
    footfall: packageJson.version,
    node: process.versions.node,
    machine: {
      system: `${type()} ${release()} ${arch()}`,
      cores: availableParallelism(),
      memoryBytes: totalmem(),
      freeMemoryBytes: freemem(),
    },
    status: statusOf(findings),
    findings,
    checks,
    settings: areSettingsRight ? settingsInForce(env) : undefined,
    log: examinations?.log.facts,
    store: examinations?.store.facts,
    service: { url, ...service, metrics: undefined },
  };
  const shown = withoutSecrets(bundle, secrets);
  // Names and numbers: what is a secret elsewhere may be a word here.
  const metrics = 'metrics' in service ? service.metrics?.split('\n') : undefined;
  const whole = { ...shown, service: { ...shown.service, metrics } };
  const text = `${JSON.stringify(whole, null, 2)}\n`;
  await writeFile(path, text, { flag: 'wx', mode: 0o600 });
}
