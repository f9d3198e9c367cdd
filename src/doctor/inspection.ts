// In: the environment. Out: whether the service could start with it, and what the dependencies it names say.
import { examineLog, examineStore, inspectLog, inspectStore, loadAdapters } from '../adapters.ts';
import { withDeadline } from '../clock.ts';
import { type Config, ConfigError, loadConfig, withEnvFile } from '../config/config.ts';
import { describeCause } from '../describe-cause.ts';
import type { Examination } from '../log/examination.ts';
import { createLogger } from '../observability/logger.ts';

const TIMEOUT_MS = 5000;

type Variables = Readonly<Record<string, string | undefined>>;

export interface Check {
  name: 'settings' | 'log' | 'store';
  ok: boolean;
  /** What was found, or why it is not ok. */
  detail: string;
}

export interface SettingsInspection {
  /** Undefined if they are wrong. */
  config: Config | undefined;
  check: Check;
  /** One sentence each. */
  problems: readonly string[];
}

/** Reads the settings and the files that they name. */
export async function inspectSettings(env: Variables): Promise<SettingsInspection> {
  try {
    const config = loadConfig(withEnvFile(env));
    const check: Check = { name: 'settings', ok: true, detail: await readFiles(config) };
    await loadAdapters(config);
    return { config, check, problems: [] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const { problems } = error;
    const check: Check = { name: 'settings', ok: false, detail: problems.join('\n') };
    return { config: undefined, check, problems };
  }
}

/** Asks log and store whether the service could work, and changes nothing. Each has five seconds, at the same time. */
export async function inspectDependencies(config: Config): Promise<{ log: Check; store: Check }> {
  const logger = await createLogger({ level: 'silent', format: 'text' });
  const [log, store] = await Promise.all([
    look('log', () => inspectLog(config, logger, TIMEOUT_MS)),
    look('store', () => inspectStore(config, logger, TIMEOUT_MS)),
  ]);
  return { log, store };
}

/** As `inspectDependencies`, for what may do harm and for what a maintainer asks. */
export async function examineDependencies(config: Config): Promise<Record<'log' | 'store', Examination>> {
  const logger = await createLogger({ level: 'silent', format: 'text' });
  const examine = (work: Promise<Examination>) =>
    withDeadline(work, TIMEOUT_MS, 'examination').catch((error): Examination => {
      // Why it does not work is for the inspection to say.
      return { warnings: [], facts: { unknown: describeCause(error) } };
    });
  const [log, store] = await Promise.all([
    examine(examineLog(config, logger, TIMEOUT_MS)),
    examine(examineStore(config, logger, TIMEOUT_MS)),
  ]);
  return { log, store };
}

/** Opens the files that settings name. @throws ConfigError */
async function readFiles(config: Config): Promise<string> {
  // It takes longer to load than most commands take.
  const { openCatalog, openCertificate, openKeys } = await import('../service.ts');
  const keys = openKeys(config);
  openCertificate(config);
  openCatalog(config);
  return `${addressOf(config)}, ${keys === undefined ? 'nobody needs an API key' : `API keys: ${keys.count}`}`;
}

/** Where the service with these settings answers. */
export function addressOf({
  certificate,
  HOST,
  PORT,
}: Pick<Config, 'certificate' | 'HOST' | 'PORT'>): string {
  return `${certificate === undefined ? 'http' : 'https'}://${HOST.includes(':') ? `[${HOST}]` : HOST}:${PORT}`;
}

async function look(name: Check['name'], inspect: () => Promise<string>): Promise<Check> {
  try {
    return { name, ok: true, detail: await withDeadline(inspect(), TIMEOUT_MS, name) };
  } catch (error) {
    const detail = error instanceof ConfigError ? error.problems.join('\n') : describeCause(error);
    return { name, ok: false, detail };
  }
}
