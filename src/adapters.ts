// In: settings. Out: the configured log and store, whose modules are loaded only when used.
import { type Config, ConfigError } from './config/config.ts';
import { deadLetterTopic } from './dead-letters/dead-letter-records.ts';
import type { EventLog } from './log/event-log.ts';
import type { Examination } from './log/examination.ts';
import type { Logger } from './observability/logger.ts';
import type { Meter } from './observability/meter.ts';
import { registerStoreBytes } from './observability/store-metrics.ts';
import type { SqliteFile } from './sqlite/sqlite-file.ts';
import type { EventStore } from './store/event-store.ts';

type PostgresTarget = Extract<Config['store'], { kind: 'postgres' }>;

/** The log and the store the settings choose. */
export interface Adapters {
  log: EventLog;
  store: EventStore;
  close(): Promise<void>;
}

/** What a look may ask of the log and the store: nothing that creates, changes or joins anything. */
export interface Looking {
  log: Pick<EventLog, 'ends' | 'starts' | 'scan'>;
  store: Pick<EventStore, 'positions' | 'get' | 'deadLetters' | 'retention'>;
  close(): Promise<void>;
}

interface AdapterOptions {
  logger: Logger;
  /** For what log and store measure of themselves; default: nothing is measured. */
  meter?: Meter | undefined;
  /** Replaces the configured log or store; the caller closes it. */
  log?: EventLog | undefined;
  store?: EventStore | undefined;
  /** Tables, topics and files are used as they are, and what is missing of them is an error. */
  onlyLooks?: boolean | undefined;
}

/** @throws when the data directory is in use or cannot be written */
export async function openAdapters(config: Config, given: AdapterOptions): Promise<Adapters> {
  const files = new OpenFiles(given.onlyLooks);
  let opened: EventLog | undefined;
  try {
    if (given.log === undefined) opened = await openLog(config, given, files);
    const log = given.log ?? opened!;
    const store = given.store ?? (await openStore(config, given, files));
    const close = async () => {
      await opened?.close();
      if (store !== given.store) await store.close();
      files.close();
    };
    return { log, store, close };
  } catch (error) {
    await opened?.close();
    files.close();
    throw error;
  }
}

/** For those who only look, and leave everything as it is. @throws where tables or topics are missing, or not of this release */
export function openToLook(config: Config, logger: Logger): Promise<Looking> {
  return openAdapters(config, { logger, onlyLooks: true });
}

/**
 * Whether the configured log could be used, without changing anything.
 *
 * @returns what it found, for people. @throws why not, within `timeoutMs`
 */
export async function inspectLog(config: Config, logger: Logger, timeoutMs: number): Promise<string> {
  if (config.brokers.length > 0) {
    return withKafkaLog(config, logger, (log) => log.inspect(config.KAFKA_CONSUMER_GROUP, timeoutMs));
  }
  const { LOG_SCHEMA } = await import('./log/embedded/schema.ts');
  return inspectFile('embedded', config.dataFile, { log: LOG_SCHEMA.length });
}

/** As `inspectLog`, of the store. */
export async function inspectStore({ store }: Config, logger: Logger, timeoutMs: number): Promise<string> {
  if (store.kind === 'memory') return 'memory, filled from the log at each start';
  if (store.kind === 'postgres')
    return withPostgresStore(store, logger, (opened) => opened.inspect(timeoutMs));
  const { STORE_SCHEMA } = await import('./store/sqlite/schema.ts');
  return inspectFile('SQLite', store.path, { store: STORE_SCHEMA.length });
}

/** Loads the code of the configured log and store, so that later a question takes only as long as its answer. */
export async function loadAdapters({ brokers, store }: Config): Promise<void> {
  await Promise.all([
    brokers.length > 0 ? import('./log/kafka/kafka-log.ts') : import('./log/embedded/schema.ts'),
    store.kind === 'postgres'
      ? import('./store/postgres/postgres-store.ts')
      : import('./sqlite/sqlite-file.ts'),
  ]);
}

/** What may do harm in the configured log, and what a maintainer asks for. @throws as `inspectLog` */
export async function examineLog(config: Config, logger: Logger, timeoutMs: number): Promise<Examination> {
  if (config.brokers.length > 0) return withKafkaLog(config, logger, (log) => log.examine(timeoutMs));
  return examineFile(config.dataFile);
}

/** As `examineLog`, of the store. */
export async function examineStore(
  { store }: Config,
  logger: Logger,
  timeoutMs: number,
): Promise<Examination> {
  if (store.kind === 'memory') return { warnings: [], facts: {} };
  if (store.kind === 'postgres')
    return withPostgresStore(store, logger, (opened) => opened.examine(timeoutMs));
  return examineFile(store.path);
}

async function withKafkaLog<T>(
  config: Config,
  logger: Logger,
  work: (log: Awaited<ReturnType<typeof openKafkaLog>>) => Promise<T>,
): Promise<T> {
  const log = await openKafkaLog(config, logger);
  try {
    return await work(log);
  } finally {
    // One that does not answer closes late, too.
    log.close().catch(() => {});
  }
}

async function withPostgresStore<T>(
  target: PostgresTarget,
  logger: Logger,
  work: (store: Awaited<ReturnType<typeof openPostgresStore>>) => Promise<T>,
): Promise<T> {
  const store = await openPostgresStore(target, { logger });
  try {
    return await work(store);
  } finally {
    store.close().catch(() => {});
  }
}

/** Creates or updates the tables of the configured store, and its indexes. */
export async function migrateStore(config: Config, logger: Logger): Promise<void> {
  if (config.store.kind === 'postgres') {
    return withPostgresStore(config.store, logger, (opened) => opened.migrate());
  }
  const files = new OpenFiles();
  const store = await openStore(config, { logger }, files);
  try {
    // The first use makes them.
    await store.watermarks();
  } finally {
    await store.close();
    files.close();
  }
}

async function inspectFile(
  kind: string,
  path: string,
  versions: Readonly<Record<string, number>>,
): Promise<string> {
  const { checkFile } = await import('./sqlite/sqlite-file.ts');
  const exists = checkFile(path, versions);
  return exists ? `${kind}, in ${path}` : `${kind}, ${path} is created at the start`;
}

async function examineFile(path: string): Promise<Examination> {
  const { fileBytes, readVersions } = await import('./sqlite/sqlite-file.ts');
  return { warnings: [], facts: { bytes: await fileBytes(path), versions: readVersions(path) } };
}

async function openLog(
  config: Config,
  { logger, onlyLooks }: AdapterOptions,
  files: OpenFiles,
): Promise<EventLog> {
  const { KAFKA_PRODUCER_TIMEOUT_MS: timeoutMs } = config;
  if (config.brokers.length === 0) {
    const { EmbeddedLog } = await import('./log/embedded/embedded-log.ts');
    // One process reads it, so one partition: all events in the order they came.
    return new EmbeddedLog({ file: await files.open(config.dataFile), partitions: 1, timeoutMs });
  }
  return openKafkaLog(config, logger, onlyLooks);
}

async function openKafkaLog(config: Config, logger: Logger, onlyLooks = false) {
  const { KAFKA_TOPIC: topic, KAFKA_PRODUCER_TIMEOUT_MS: timeoutMs } = config;
  const [{ KafkaLog }, { openSecurity }] = await Promise.all([
    import('./log/kafka/kafka-log.ts'),
    import('./log/kafka/security.ts'),
  ]);
  const options = {
    brokers: config.brokers,
    clientId: config.INSTANCE_ID ?? 'footfall',
    instanceId: config.INSTANCE_ID,
    // A dead letter is the original record plus some headers, so it must fit even if that record had the largest
    // allowed size.
    topics: [
      { name: topic, maxBodyBytes: config.MAX_BODY_BYTES },
      { name: deadLetterTopic(topic), copiesOf: topic, configs: { 'max.message.bytes': '16000000' } },
    ],
    creates: !onlyLooks,
    partitions: config.KAFKA_TOPIC_PARTITIONS,
    replication: config.KAFKA_TOPIC_REPLICATION,
    producerRetries: config.KAFKA_PRODUCER_RETRIES,
    producerTimeoutMs: timeoutMs,
    sessionTimeoutMs: config.KAFKA_CONSUMER_SESSION_TIMEOUT_MS,
    security: readFiles(() => openSecurity(config.kafkaSecurity, logger)),
  };
  return new KafkaLog({ ...options, logger });
}

/** @throws ConfigError */
function readFiles<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new ConfigError([(error as Error).message]);
  }
}

async function openStore(
  { store }: Config,
  { logger, meter, onlyLooks }: AdapterOptions,
  files: OpenFiles,
): Promise<EventStore> {
  if (store.kind === 'memory') {
    const { MemoryStore } = await import('./store/memory/memory-store.ts');
    return new MemoryStore();
  }
  if (store.kind === 'sqlite') {
    const { SqliteStore } = await import('./store/sqlite/sqlite-store.ts');
    const { fileBytes } = await import('./sqlite/sqlite-file.ts');
    if (meter !== undefined) registerStoreBytes(meter, () => fileBytes(store.path));
    return new SqliteStore(await files.open(store.path));
  }
  return openPostgresStore(store, { logger, meter, onlyLooks });
}

async function openPostgresStore(target: PostgresTarget, { logger, meter, onlyLooks }: AdapterOptions) {
  const { PostgresStore } = await import('./store/postgres/postgres-store.ts');
  return new PostgresStore({ ...target, logger, meter, onlyLooks });
}

/** Lists each file once: the embedded log and the SQLite store share theirs. */
class OpenFiles {
  readonly #files = new Map<string, SqliteFile>();
  readonly #onlyLooks: boolean;

  constructor(onlyLooks = false) {
    this.#onlyLooks = onlyLooks;
  }

  async open(path: string): Promise<SqliteFile> {
    const { openForReading, openSqliteFile } = await import('./sqlite/sqlite-file.ts');
    const open = this.#onlyLooks ? openForReading : openSqliteFile;
    const file = this.#files.get(path) ?? open(path);
    this.#files.set(path, file);
    return file;
  }

  close(): void {
    for (const file of this.#files.values()) file.close();
  }
}
