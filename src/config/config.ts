import { readFileSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import envSchema from 'env-schema';
import type { KeySource } from '../access/api-keys.ts';
import {
  type KafkaSecurity,
  kafkaSecurity,
  kafkaSecurityProblems,
  kafkaSecurityWarnings,
} from './kafka-security.ts';
import { readPostgresUrl } from './postgres-url.ts';
import { readSecrets } from './secrets.ts';
import { describeSettings } from './setting-descriptions.ts';
import { SETTINGS, type Settings } from './settings.ts';
import { shownValue } from './shown-value.ts';
import { withoutUnusedTracing } from './tracing-settings.ts';
import { checkNames } from './unknown-names.ts';

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
  | { kind: 'postgres'; url: string; readUrl: string | undefined; poolSize: number; migrates: boolean };

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
  kafkaSecurity: KafkaSecurity;
  store: StoreTarget;
  /** File of the embedded log; the SQLite store shares it unless `DATABASE_URL` says otherwise. */
  dataFile: string;
  /** What is not wrong, and perhaps a mistake; a sentence each. */
  warnings: string[];
}

export function logKind({ brokers }: Pick<Config, 'brokers'>): 'kafka' | 'embedded' {
  return brokers.length > 0 ? 'kafka' : 'embedded';
}

/** Where Footfall writes files of its own; undefined if it writes none. */
export function ownFolder({ brokers, dataFile, store }: Config): string | undefined {
  if (brokers.length === 0) return dirname(dataFile);
  return store.kind === 'sqlite' ? dirname(store.path) : undefined;
}

/** The variables of a `.env` file in the working folder, if there is one. @throws ConfigError */
export function readEnvFile(): Record<string, string | undefined> {
  try {
    // A folder of that name is a virtual environment of Python.
    const isThere = statSync('.env', { throwIfNoEntry: false })?.isDirectory() === false;
    return isThere ? parseEnv(readFileSync('.env', 'utf8')) : {};
  } catch (error) {
    throw new ConfigError([`.env cannot be read: ${(error as Error).message}`]);
  }
}

/** Adds the variables of the `.env` file; existing variables win. */
export function withEnvFile(env: Record<string, string | undefined>): Record<string, string | undefined> {
  return { ...readEnvFile(), ...env };
}

/**
 * @param env variables by name; empty values count as not set
 * @throws ConfigError naming every invalid setting, and names that are mistaken for one
 */
export function loadConfig(env: Record<string, string | undefined>): Config {
  const given = givenSettings(env);
  const names = checkNames(given);
  const secrets = readSecrets(given);
  const { settings, problems } = validate({ ...given, ...secrets.values });
  const dataFile = resolve(join(settings.DATA_DIR, 'footfall.db'));
  const single = [...names.problems, ...secrets.problems, ...problems];
  failOn([...single, ...withoutConsequences(contradictions(settings, dataFile), single)]);
  const brokers = settings.KAFKA_BROKERS?.split(',').map((broker) => broker.trim()) ?? [];
  const origins = settings.CORS_ORIGINS?.split(',').map((origin) => origin.trim()) ?? [];
  return {
    ...settings,
    brokers,
    kafkaSecurity: kafkaSecurity(settings),
    store: storeTarget(settings, dataFile),
    dataFile,
    origins,
    keySource: keySource(settings),
    certificate: certificateFiles(settings),
    hosts: [settings.HOST, ...(settings.ALLOWED_HOSTS?.split(',') ?? [])].map((host) => host.trim()),
    countedProperties: countedProperties(settings),
    workers: settings.WORKERS === 'auto' ? availableParallelism() : Number(settings.WORKERS),
    warnings: [...names.warnings, ...kafkaSecurityWarnings(settings)],
  };
}

/** The variables that have an effect or may be mistaken for a setting. */
export function givenSettings(env: Record<string, string | undefined>): Record<string, string> {
  const entries = Object.entries(env).filter((entry): entry is [string, string] => Boolean(entry[1]));
  return withoutUnusedTracing(Object.fromEntries(entries));
}

/** @throws ConfigError if there are any */
function failOn(problems: readonly string[]): void {
  if (problems.length > 0) throw new ConfigError(problems);
}

function problemsOf(read: () => unknown): readonly string[] {
  try {
    read();
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

/** Leaves out problems that name a setting which another problem is about: it is as if it was not given. */
function withoutConsequences(problems: readonly string[], causes: readonly string[]): string[] {
  const wrong = causes.flatMap(settingsIn).flatMap((name) => [name, name.replace(/_FILE$/, '')]);
  return problems.filter((problem) => !settingsIn(problem).some((name) => wrong.includes(name)));
}

function settingsIn(text: string): string[] {
  return (text.match(/\b[A-Z][A-Z_]+\b/g) ?? []).filter((word) => word in SETTINGS.properties);
}

/** Settings that are valid by themselves, and not together. */
function contradictions(settings: Settings, dataFile: string): string[] {
  const { LOG, KAFKA_BROKERS, DATABASE_URL, ROLE, WORKERS } = settings;
  const problems = [
    ...problemsOf(() => storeTarget(settings, dataFile)),
    ...problemsOf(() => keySource(settings)),
    ...problemsOf(() => certificateFiles(settings)),
    ...kafkaSecurityProblems(settings),
  ];
  if (LOG === 'embedded' && KAFKA_BROKERS !== undefined) {
    problems.push('LOG=embedded and KAFKA_BROKERS contradict each other: leave one of them out');
  }
  if (LOG === 'kafka' && KAFKA_BROKERS === undefined) {
    problems.push(
      'LOG=kafka needs KAFKA_BROKERS. To keep events in DATA_DIR instead, on the disk of this machine or container, set LOG=embedded',
    );
  }
  const isShared = KAFKA_BROKERS !== undefined && DATABASE_URL?.startsWith('postgres') === true;
  const needs =
    'needs KAFKA_BROKERS and DATABASE_URL=postgres://…: an embedded log, a file or memory belongs to one process';
  if (ROLE !== 'all' && !isShared) problems.push(`ROLE=${ROLE} ${needs}, which has to do both`);
  if (WORKERS !== '0' && !isShared) problems.push(`WORKERS=${WORKERS} ${needs}`);
  if (WORKERS !== '0' && ROLE === 'consumer') {
    problems.push(
      `WORKERS=${WORKERS} is for processes that answer requests, and ROLE=consumer has none: leave one of them out`,
    );
  }
  return problems;
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
  if (API_KEYS !== undefined) return { text: API_KEYS, file: API_KEYS_FILE };
  const how = 'set API_KEYS_FILE ("npm run key -- create --help" makes keys)';
  if (AUTH === 'keys') throw new ConfigError([`AUTH=keys needs keys: ${how}`]);
  if (isLoopback(HOST)) return undefined;
  throw new ConfigError([
    `HOST=${shownValue('HOST', HOST)} lets others reach this service: ${how}, or AUTH=off where something in front of it decides who may call`,
  ]);
}

function certificateFiles({ HTTPS_CERT_FILE: cert, HTTPS_KEY_FILE: key }: Settings): Config['certificate'] {
  if (cert !== undefined && key !== undefined) return { cert, key };
  if (cert === undefined && key === undefined) return undefined;
  throw new ConfigError(['HTTPS_CERT_FILE and HTTPS_KEY_FILE belong together: set both, or neither']);
}

interface SchemaError {
  instancePath: string;
  keyword: string;
  message?: string;
  params: { allowedValues?: string[] };
}

/** @returns settings without those that have problems */
function validate(given: Record<string, string>): { settings: Settings; problems: string[] } {
  try {
    const schema = structuredClone(SETTINGS);
    return { settings: envSchema<Settings>({ schema, data: given, env: false }), problems: [] };
  } catch (error) {
    const { errors } = error as { errors?: SchemaError[] };
    if (errors === undefined) throw error;
    const wrong = errors.map(settingOf);
    const rest = Object.entries(given).filter(([name]) => !wrong.includes(name));
    const { settings } = validate(Object.fromEntries(rest));
    return { settings, problems: errors.map((problem) => describeProblem(problem, given)) };
  }
}

function settingOf({ instancePath }: SchemaError): string {
  return instancePath.slice(1);
}

function describeProblem(error: SchemaError, given: Record<string, string>): string {
  const { keyword, message, params } = error;
  const name = settingOf(error);
  const settings = describeSettings();
  const { description, examples, writeOnly } = settings.find((setting) => setting.name === name)!;
  const value = writeOnly ? '' : ` (it is ${JSON.stringify(shownValue(name, given[name]!))})`;
  if (keyword === 'enum') {
    const other = settings.find((setting) => setting.enum?.includes(given[name]!));
    const hint = other === undefined ? '' : `, which is for ${other.name}`;
    return `${name} must be one of ${params.allowedValues?.join(', ')}${value}${hint}`;
  }
  if (keyword === 'pattern') {
    return `${name} is not of the right form${value}: ${description}${examples ? ` Example: ${examples[0]}` : ''}`;
  }
  return `${name} ${message}${value}`;
}

function storeTarget(settings: Settings, dataFile: string): StoreTarget {
  const { DATABASE_URL, DATABASE_READ_URL: readUrl, DATABASE_POOL_SIZE: poolSize } = settings;
  if (readUrl !== undefined && DATABASE_URL?.startsWith('postgres') !== true) {
    throw new ConfigError([
      'DATABASE_READ_URL needs DATABASE_URL=postgres://…: it must lead to a replica of that server',
    ]);
  }
  if (DATABASE_URL === undefined) return { kind: 'sqlite', path: dataFile };
  if (DATABASE_URL === 'memory:') return { kind: 'memory' };
  if (DATABASE_URL.startsWith('sqlite:')) {
    return { kind: 'sqlite', path: resolve(DATABASE_URL.slice('sqlite:'.length).replace(/^\/\//, '')) };
  }
  checkPostgresUrl('DATABASE_URL', DATABASE_URL);
  if (readUrl !== undefined) checkPostgresUrl('DATABASE_READ_URL', readUrl);
  return {
    kind: 'postgres',
    url: DATABASE_URL,
    readUrl,
    poolSize,
    migrates: settings.DATABASE_MIGRATE === 'on',
  };
}

/** Rejects contradictory settings at startup rather than in an outage. @throws ConfigError */
function checkPostgresUrl(setting: string, url: string): void {
  try {
    readPostgresUrl(url);
  } catch (error) {
    throw new ConfigError([`${setting}: ${(error as Error).message}`]);
  }
}
