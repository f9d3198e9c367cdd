import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import envSchema from 'env-schema';
import type { KeySource } from '../access/api-keys.ts';
import { readPostgresUrl } from './postgres-url.ts';
import { describeSettings } from './setting-descriptions.ts';
import { SETTINGS, type Settings } from './settings.ts';

/** Raised at start-up; `problems` names every invalid setting, one line each. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      `Footfall cannot start, its settings need a change:\n${problems.map((line) => `  - ${line}`).join('\n')}`,
    );
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** Where events are stored. */
type StoreTarget =
  | { kind: 'memory' }
  | { kind: 'sqlite'; path: string }
  | { kind: 'postgres'; url: string; poolSize: number };

/** Settings in the form the service uses. */
export interface Config extends Settings {
  /** Where API keys are listed; undefined: no key is needed. */
  keySource: KeySource | undefined;
  /** Files of the certificate; undefined: HTTP. */
  certificate: { cert: string; key: string } | undefined;
  origins: string[];
  /** Host names and addresses of this service besides those of this machine. */
  hosts: string[];
  countedProperties: string[];
  /** Processes that serve requests; 0: this one. */
  workers: number;
  /** Empty: the embedded log. */
  brokers: string[];
  store: StoreTarget;
  /** File of the embedded log; the SQLite store shares it unless `DATABASE_URL` says otherwise. */
  dataFile: string;
}

/** Adds the variables of a `.env` file in the working folder, if there is one; existing variables win. */
export function withEnvFile(env: Record<string, string | undefined>): Record<string, string | undefined> {
  return { ...(existsSync('.env') ? parseEnv(readFileSync('.env', 'utf8')) : {}), ...env };
}

/**
 * @param env variables by name; empty values count as not set, unknown names are ignored
 * @throws ConfigError naming every invalid setting
 */
export function loadConfig(env: Record<string, string | undefined>): Config {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  );
  const settings = validate(given);
  const dataFile = resolve(join(settings.DATA_DIR, 'footfall.db'));
  const brokers = settings.KAFKA_BROKERS?.split(',').map((broker) => broker.trim()) ?? [];
  const store = storeTarget(settings, dataFile);
  if (settings.ROLE !== 'all' && (brokers.length === 0 || store.kind !== 'postgres')) {
    throw new ConfigError([
      `ROLE=${settings.ROLE} needs KAFKA_BROKERS and DATABASE_URL=postgres://…: an embedded log, a file or memory belongs to one process, which has to do both`,
    ]);
  }
  if (settings.WORKERS !== '0' && (brokers.length === 0 || store.kind !== 'postgres')) {
    throw new ConfigError([
      `WORKERS=${settings.WORKERS} needs KAFKA_BROKERS and DATABASE_URL=postgres://…: an embedded log, a file or memory belongs to one process`,
    ]);
  }
  if (settings.WORKERS !== '0' && settings.ROLE === 'consumer') {
    throw new ConfigError([
      `WORKERS=${settings.WORKERS} is for processes that answer requests, and ROLE=consumer has none: leave one of them out`,
    ]);
  }
  const origins = settings.CORS_ORIGINS?.split(',').map((origin) => origin.trim()) ?? [];
  return {
    ...settings,
    brokers,
    store,
    dataFile,
    origins,
    keySource: keySource(settings),
    certificate: certificateFiles(settings),
    hosts: [settings.HOST, ...(settings.ALLOWED_HOSTS?.split(',') ?? [])].map((host) => host.trim()),
    countedProperties: countedProperties(settings),
    workers: settings.WORKERS === 'auto' ? availableParallelism() : Number(settings.WORKERS),
  };
}

function countedProperties({ COUNTED_PAYLOAD_PROPERTIES: listed }: Settings): string[] {
  if (listed === 'none') return [];
  return [...new Set(listed.split(',').map((member) => member.trim()))];
}

const LOOPBACK = /^(127(\.\d+){3}|::1|localhost)$/;

/** Whether an address is reachable from this machine only. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}

function keySource({ AUTH, API_KEYS_FILE, API_KEYS, HOST }: Settings): KeySource | undefined {
  if (AUTH === 'off') return undefined;
  if (API_KEYS_FILE !== undefined && API_KEYS !== undefined) {
    throw new ConfigError(['API_KEYS_FILE and API_KEYS are both set: keep one']);
  }
  if (API_KEYS_FILE !== undefined) return { file: API_KEYS_FILE };
  if (API_KEYS !== undefined) return { text: API_KEYS };
  const how = 'set API_KEYS_FILE ("npm run key -- create --help" makes keys)';
  if (AUTH === 'keys') throw new ConfigError([`AUTH=keys needs keys: ${how}`]);
  if (isLoopback(HOST)) return undefined;
  throw new ConfigError([
    `HOST=${HOST} lets others reach this service: ${how}, or AUTH=off where something in front of it decides who may call`,
  ]);
}

function certificateFiles({ HTTPS_CERT_FILE: cert, HTTPS_KEY_FILE: key }: Settings): Config['certificate'] {
  if (cert !== undefined && key !== undefined) return { cert, key };
  if (cert === undefined && key === undefined) return undefined;
  throw new ConfigError(['HTTPS_CERT_FILE and HTTPS_KEY_FILE belong together: set both, or neither']);
}

function validate(given: Record<string, unknown>): Settings {
  try {
    return envSchema<Settings>({ schema: structuredClone(SETTINGS), data: given, env: false });
  } catch (error) {
    const { errors } = error as { errors?: SchemaError[] };
    if (errors === undefined) throw error;
    throw new ConfigError(errors.map((problem) => describeProblem(problem, given)));
  }
}

interface SchemaError {
  instancePath: string;
  keyword: string;
  message?: string;
  params: { allowedValues?: string[] };
}

const SECRETS = ['DATABASE_URL', 'API_KEYS'];

function describeProblem(
  { instancePath, keyword, message, params }: SchemaError,
  given: Record<string, unknown>,
): string {
  const name = instancePath.slice(1);
  // A database address holds a password, and what is printed at startup ends up in logs.
  const value = SECRETS.includes(name) ? '' : ` (it is ${JSON.stringify(given[name])})`;
  const { description, examples } = describeSettings().find((setting) => setting.name === name)!;
  if (keyword === 'enum') return `${name} must be one of ${params.allowedValues?.join(', ')}${value}`;
  if (keyword === 'pattern') {
    return `${name} is not of the right form${value}: ${description}${examples ? ` Example: ${examples[0]}` : ''}`;
  }
  return `${name} ${message}${value}`;
}

function storeTarget({ DATABASE_URL, DATABASE_POOL_SIZE }: Settings, dataFile: string): StoreTarget {
  if (DATABASE_URL === undefined) return { kind: 'sqlite', path: dataFile };
  if (DATABASE_URL === 'memory:') return { kind: 'memory' };
  if (DATABASE_URL.startsWith('sqlite:')) {
    return { kind: 'sqlite', path: resolve(DATABASE_URL.slice('sqlite:'.length).replace(/^\/\//, '')) };
  }
  checkPostgresUrl(DATABASE_URL);
  return { kind: 'postgres', url: DATABASE_URL, poolSize: DATABASE_POOL_SIZE };
}

/** Rejects contradictory settings at startup rather than in an outage. @throws ConfigError */
function checkPostgresUrl(url: string): void {
  try {
    readPostgresUrl(url);
  } catch (error) {
    throw new ConfigError([(error as Error).message]);
  }
}
