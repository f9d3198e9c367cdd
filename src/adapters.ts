// In: settings. Out: the configured log and store, whose modules are loaded only when used.
import type { Config } from './config/config.ts';
import { deadLetterTopic } from './dead-letters/dead-letter-records.ts';
import type { EventLog } from './log/event-log.ts';
import type { Logger } from './observability/logger.ts';
import type { SqliteFile } from './sqlite/sqlite-file.ts';
import type { EventStore } from './store/event-store.ts';

/** The log and the store the settings choose. */
export interface Adapters {
  log: EventLog;
  store: EventStore;
  close(): Promise<void>;
}

interface AdapterOptions {
  logger: Logger;
  /** Replaces the configured log or store; the caller closes it. */
  log?: EventLog | undefined;
  store?: EventStore | undefined;
}

/** @throws when the data directory is in use or cannot be written */
export async function openAdapters(config: Config, given: AdapterOptions): Promise<Adapters> {
  const files = new OpenFiles();
  let opened: EventLog | undefined;
  try {
    if (given.log === undefined) opened = await openLog(config, given.logger, files);
    const log = given.log ?? opened!;
    const store = given.store ?? (await openStore(config, given.logger, files));
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

async function openLog(config: Config, logger: Logger, files: OpenFiles): Promise<EventLog> {
  const { KAFKA_TOPIC: topic, KAFKA_PRODUCER_TIMEOUT_MS: timeoutMs } = config;
  if (config.brokers.length === 0) {
    const { EmbeddedLog } = await import('./log/embedded/embedded-log.ts');
    // One process reads it, so one partition: all events in the order they came.
    return new EmbeddedLog({ file: await files.open(config.dataFile), partitions: 1, timeoutMs });
  }
  const { KafkaLog } = await import('./log/kafka/kafka-log.ts');
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
    partitions: config.KAFKA_TOPIC_PARTITIONS,
    replication: config.KAFKA_TOPIC_REPLICATION,
    producerRetries: config.KAFKA_PRODUCER_RETRIES,
    producerTimeoutMs: timeoutMs,
    sessionTimeoutMs: config.KAFKA_CONSUMER_SESSION_TIMEOUT_MS,
  };
  return new KafkaLog({ ...options, logger });
}

async function openStore({ store }: Config, logger: Logger, files: OpenFiles): Promise<EventStore> {
  if (store.kind === 'memory') {
    const { MemoryStore } = await import('./store/memory/memory-store.ts');
    return new MemoryStore();
  }
  if (store.kind === 'sqlite') {
    const { SqliteStore } = await import('./store/sqlite/sqlite-store.ts');
    return new SqliteStore(await files.open(store.path));
  }
  const { PostgresStore } = await import('./store/postgres/postgres-store.ts');
  return new PostgresStore({ ...store, logger });
}

/** Lists each file once: the embedded log and the SQLite store share theirs. */
class OpenFiles {
  readonly #files = new Map<string, SqliteFile>();

  async open(path: string): Promise<SqliteFile> {
    const { openSqliteFile } = await import('./sqlite/sqlite-file.ts');
    const file = this.#files.get(path) ?? openSqliteFile(path);
    this.#files.set(path, file);
    return file;
  }

  close(): void {
    for (const file of this.#files.values()) file.close();
  }
}
