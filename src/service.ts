import { randomUUIDv7 } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { Admission } from './access/admission.ts';
import { ApiKeys } from './access/api-keys.ts';
import { RateLimits } from './access/rate-limits.ts';
import { Turns } from './access/turns.ts';
import { type Adapters, openAdapters } from './adapters.ts';
import { Certificate } from './api/certificate.ts';
import { reloadAccess } from './api/reload.ts';
import { closeApi, createApi } from './api/server.ts';
import { type Clock, systemClock } from './clock.ts';
import type { WorkerChannel } from './cluster/worker-channel.ts';
import { type Config, ConfigError, isLoopback, logKind, ownFolder } from './config/config.ts';
import { deadLetterTopic } from './dead-letters/dead-letter-records.ts';
import { DeadLetters } from './dead-letters/dead-letters.ts';
import { Catalog } from './events/catalog.ts';
import { DuplicateEvents } from './ingest/duplicate-events.ts';
import { Producer } from './ingest/producer.ts';
import { RejectedEvents } from './ingest/rejected-events.ts';
import { StoredEvents } from './ingest/stored-event-waiter.ts';
import type { EventLog } from './log/event-log.ts';
import { configuredLogger, type Logger } from './observability/logger.ts';
import { Meter } from './observability/meter.ts';
import { createMetrics } from './observability/metrics.ts';
import { openTracing } from './observability/tracing.ts';
import { Health } from './operations/health.ts';
import { registerInstance } from './operations/instance-metrics.ts';
import { measuredStore } from './operations/measured-store.ts';
import { METRICS_KEPT_MS, MetricsHistory } from './operations/metrics-history.ts';
import { Retention } from './operations/retention.ts';
import { Consumer } from './processing/consumer.ts';
import { Processor } from './processing/processor.ts';
import { Progress } from './processing/progress.ts';
import { LiveTail } from './query/live-tail.ts';
import type { EventStore } from './store/event-store.ts';

/** How often the log is compared with the store. */
const PROGRESS_EVERY_MS = 2000;
/** Restarts a stalled subscription early enough to recover within ten seconds of the stall. */
const STALLED_AFTER_MS = 6000;
/** Heartbeats sent to a stream reader before it is disconnected for reading nothing. */
const HEARTBEATS = 2;

/** Dependencies of the service besides its settings. */
export interface ServiceOptions {
  /** Default: standard output, according to LOG_LEVEL and LOG_FORMAT. */
  logger?: Logger;
  clock?: Clock;
  /** Generates ids for events that arrive without one: UUIDs. */
  newId?(): string;
  /** Replaces the configured log. The caller closes it. */
  log?: EventLog | undefined;
  /** Replaces the configured store. The caller closes it. */
  store?: EventStore | undefined;
  /** The other processes of this instance, if it has several. */
  link?: WorkerChannel | undefined;
}

export interface Service {
  /** The address it serves, such as `http://127.0.0.1:3000`; empty in a process that serves no requests. */
  url: string;
  /** Reloads the API keys and the certificate; an invalid one is ignored and the current one stays. */
  reload(): void;
  /** Finishes work in progress and releases all resources. May be called twice. */
  stop(): Promise<void>;
}

/**
 * Assembles and starts the service. It starts even if log or store is unavailable, and logs that.
 *
 * @throws when a local resource is unavailable: the port is taken, or the data directory is in use or not writable
 */
export async function startService(config: Config, options: ServiceOptions = {}): Promise<Service> {
  const { clock = systemClock, newId = randomUUIDv7, log, store, link } = options;
  const logger = options.logger ?? (await configuredLogger(config));
  const meter = new Meter();
  const adapters = await openAdapters(config, { logger, meter, log, store });
  try {
    return await run(config, { logger, clock, newId, link, meter }, adapters);
  } catch (error) {
    await adapters.close();
    throw error;
  }
}

interface Dependencies extends Required<Pick<ServiceOptions, 'logger' | 'clock' | 'newId' | 'link'>> {
  meter: Meter;
}

async function run(
  config: Config,
  { logger, clock, newId, link, meter }: Dependencies,
  { log, store: ownStore, close }: Adapters,
): Promise<Service> {
  const { MAX_IN_FLIGHT_REQUESTS: maxRequests, MAX_IN_FLIGHT_BYTES: maxBytes } = config;
  const { MAX_IN_FLIGHT_READ_BYTES: maxReadBytes } = config;
  const admission = new Admission({ maxRequests, maxBytes, maxReadBytes, clock });
  const catalog = openCatalog(config, clock);
  const apiKeys = openKeys(config);
  const types = catalog.describe().map(({ eventType }) => eventType);
  const metrics = createMetrics(meter, { keys: [...(apiKeys?.names ?? [])], types });
  const store = measuredStore(ownStore, metrics);
  const liveTail = new LiveTail({ store, heartbeatMs: config.STREAM_TIMEOUT_MS / HEARTBEATS, clock });
  const { KAFKA_TOPIC: topic, KAFKA_CONSUMER_GROUP: group, LOG_EVERY_NTH_EVENT: logEvery } = config;
  const { countedProperties } = config;
  const certificate = openCertificate(config);
  const duplicates = new DuplicateEvents(clock);
  const tracing = await openTracing(config, logger);
  const told = { logger, metrics, tracing };
  const producing = { log, store, topic, clock, newId, logEvery, duplicates, retention: catalog.retention };
  const producer = new Producer({ ...producing, ...told });
  const storedEvents = new StoredEvents(store);
  const processor = new Processor({
    log,
    store,
    catalog,
    group,
    countedProperties,
    ...told,
    logEvery,
    onStored: (keys) => storedEvents.tell(keys),
    onDuplicates: (events) => duplicates.add('processing', events),
  });
  const consumes = config.ROLE !== 'api';
  const reads = { log, store, topic, group, logger, metrics, clock };
  const consumer = new Consumer({ ...reads, processor, stalledAfterMs: STALLED_AFTER_MS });
  const processing = () => (consumes ? consumer : link?.consumer);
  const progress = new Progress({
    ...reads,
    everyMs: PROGRESS_EVERY_MS,
    isThrottled: () => processing()?.isThrottled ?? false,
    held: () => consumer.idle,
    polled: (poll) => consumer.polled(poll),
  });
  const health = new Health({ log, store, clock, consumer: processing, progress, producer });
  const build = { log: logKind(config), store: config.store.kind, role: config.ROLE };
  const state = { store, group, topic, progress, health, clock, build };
  registerInstance(meter, { ...state, work: admission, liveTail, folder: ownFolder(config) });
  const allMetrics = () => link?.metrics() ?? metrics.registry.metrics();
  const history = new MetricsHistory({
    metrics: allMetrics,
    progress,
    clock,
    logger,
    keepMs: METRICS_KEPT_MS,
  });
  const retention = new Retention({
    ...reads,
    days: catalog.retention,
    removes: consumes,
    deadLetterTopic: deadLetterTopic(topic),
    countedProperties,
  });
  let stopping: Promise<void> | undefined;
  const api = createApi({
    producer,
    turns: new Turns(),
    apiKeys,
    certificate,
    origins: config.origins,
    hosts: config.hosts,
    rateLimits: new RateLimits(config.RATE_LIMIT_EVENTS_PER_SECOND),
    admission,
    processId: randomUUIDv7(),
    duplicates,
    rejected: new RejectedEvents({ maxBytes: config.REJECTED_EVENTS_BYTES, clock }),
    deadLetters: new DeadLetters({ log, store, group }),
    log,
    store,
    liveTail,
    maxStreams: config.MAX_STREAMS,
    maxStreamsPerCaller: config.MAX_STREAMS_PER_CALLER,
    streamTimeoutMs: config.STREAM_TIMEOUT_MS,
    bodyTimeoutMs: config.BODY_TIMEOUT_MS,
    slowRequestMs: config.LOG_SLOW_REQUEST_MS,
    countedProperties,
    clock,
    storedEvents,
    catalog,
    health,
    ...told,
    topic,
    group,
    progress,
    maxBodyBytes: config.MAX_BODY_BYTES,
    batchLimits: { events: config.MAX_BATCH_EVENTS, bytes: config.MAX_BATCH_BYTES },
    acceptsEvents: config.ROLE !== 'consumer',
    isStopping: () => stopping !== undefined,
    history,
    allMetrics,
  });

  // A process that serves no requests must not share the port of those that do.
  const url = link && consumes ? '' : await listen(api, config);
  if (consumes) consumer.start();
  retention.start();
  progress.start();
  link?.ready(metrics.registry);
  if (url !== '') history.start();
  if (consumes) link?.reportStatus(consumer);
  logger.info(
    { url, log: logKind(config), store: config.store.kind },
    url === '' ? 'Footfall processes events' : `Footfall answers on ${url}`,
  );
  warnAboutSettings(config, logger);

  const stop = async () => {
    if (config.SHUTDOWN_DELAY_MS > 0 && url !== '') await clock.sleep(config.SHUTDOWN_DELAY_MS);
    await closeApi(api, admission);
    logger.debug('stopping: requests are answered');
    history.stop();
    await progress.stop();
    await Promise.all([retention.stop(), consumer.stop()]);
    await tracing?.stop();
    logger.debug('stopping: the batch at hand is stored, the group is left');
    await close();
    logger.info('Footfall has stopped');
  };
  return {
    url,
    reload: () => reloadAccess({ apiKeys, certificate }, logger),
    stop: () => (stopping ??= stop()),
  };
}

async function listen(api: FastifyInstance, config: Config): Promise<string> {
  const { HOST: host, PORT: port, certificate } = config;
  try {
    const url = await api.listen({ host, port });
    return certificate === undefined ? url : url.replace('http:', 'https:');
  } catch (error) {
    await api.close();
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new Error(`Port ${port} on ${host} is taken. Stop what uses it, or set PORT to another.`, {
      cause: error,
    });
  }
}

function warnAboutSettings({ HOST, keySource, brokers, store }: Config, logger: Logger): void {
  if (keySource === undefined && !isLoopback(HOST)) {
    logger.warn({ host: HOST }, 'Everyone who can reach this address can write and read events: AUTH=off');
  }
  if (brokers.length > 0 && store.kind !== 'postgres') {
    logger.warn(
      { store: store.kind },
      'This store belongs to this instance alone: run one instance per group, or set DATABASE_URL to a PostgreSQL they share',
    );
  }
}

/** @throws ConfigError */
export function openKeys({ keySource }: Config): ApiKeys | undefined {
  try {
    return keySource && new ApiKeys(keySource);
  } catch (error) {
    throw new ConfigError([`API keys: ${(error as Error).message}`]);
  }
}

/** @throws ConfigError */
export function openCertificate({ certificate }: Config): Certificate | undefined {
  try {
    return certificate && new Certificate(certificate);
  } catch (error) {
    throw new ConfigError([`HTTPS_CERT_FILE and HTTPS_KEY_FILE cannot be used: ${(error as Error).message}`]);
  }
}

/** @throws ConfigError naming every invalid schema */
export function openCatalog(config: Config, clock: Clock = systemClock): Catalog {
  const { EVENT_CATALOG, UNKNOWN_EVENT_TYPES, MAX_NESTING_LEVELS, RETENTION_DAYS } = config;
  try {
    return new Catalog({
      folder: EVENT_CATALOG,
      allowsUnknownTypes: UNKNOWN_EVENT_TYPES === 'accept',
      maxLevels: MAX_NESTING_LEVELS,
      retentionDays: RETENTION_DAYS,
      clock,
    });
  } catch (error) {
    throw new ConfigError((error as Error).message.split('\n').map((line) => `EVENT_CATALOG: ${line}`));
  }
}
