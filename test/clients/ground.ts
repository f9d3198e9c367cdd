// What clients are run against: the real service, on the embedded log or on a real Kafka.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createKey } from '../../src/access/api-keys.ts';
import { KAFKA_4, MissingProgramError } from '../../src/cli/kafka/kafka-jars.ts';
import { KafkaServer } from '../../src/cli/kafka/kafka-server.ts';
import { loadConfig } from '../../src/config/config.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { startService } from '../../src/service.ts';
import { MissingToolError, type Program } from './row.ts';

const CLIENT_TIMEOUT_MS = 120_000;
const STORED_TIMEOUT_MS = 60_000;
const LOOK_EVERY_MS = 50;
const MOST_OUTPUT = 10_000_000;

/** An event as the service gives it back. */
export interface EventToStore {
  eventId: string;
  userId: string;
  eventType: string;
  payload: Record<string, unknown>;
  attributes?: Record<string, unknown>;
}

/** A running service, and the keys to it where it needs any. */
export class Running {
  readonly url: string;
  readonly writeKey: string;
  readonly #readKey: string;

  constructor(url: string, writeKey: string, readKey: string) {
    this.url = url;
    this.writeKey = writeKey;
    this.#readKey = readKey;
  }

  /** Every event there is, once all that is in the log is stored. */
  async stored(): Promise<EventToStore[]> {
    const giveUpAt = Date.now() + STORED_TIMEOUT_MS;
    while ((await this.#lag()) > 0) {
      if (Date.now() > giveUpAt) throw new Error('the service has not stored what is in its log');
      await sleep(LOOK_EVERY_MS);
    }
    return (await this.#read('/events/processed')) as EventToStore[];
  }

  /** Waits for so many: whoever writes to the topic directly is not told when they are stored. */
  async storedAtLeast(count: number): Promise<EventToStore[]> {
    const giveUpAt = Date.now() + STORED_TIMEOUT_MS;
    for (;;) {
      const stored = await this.stored();
      if (stored.length >= count || Date.now() > giveUpAt) return stored;
      await sleep(LOOK_EVERY_MS);
    }
  }

  async #lag(): Promise<number> {
    const { groups } = (await this.#read('/consumer-groups')) as {
      groups: { partitions: { lag: number }[] }[];
    };
    return groups[0]!.partitions.reduce((sum, { lag }) => sum + lag, 0);
  }

  async #read(path: string): Promise<unknown> {
    const answer = await fetch(`${this.url}${path}`, { headers: { 'X-API-Key': this.#readKey } });
    if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
    return answer.json();
  }
}

/** Starts servers for the rows, and stops them. */
export class TestCluster {
  readonly #progress: (text: string) => void;
  readonly #ends: (() => Promise<unknown>)[] = [];
  #kafka: Promise<KafkaServer> | undefined;

  constructor(progress: (text: string) => void) {
    this.#progress = progress;
  }

  /**
   * A service of its own, with API keys.
   *
   * @param origin whose pages may use the key that writes
   */
  async serviceWithKeys(origin?: string): Promise<Running> {
    const origins = origin === undefined ? {} : { origins: [origin] };
    const writer = createKey({ name: 'client', scopes: ['write'], ...origins });
    const reader = createKey({ name: 'matrix', scopes: ['read'] });
    const url = await this.#start({ API_KEYS: JSON.stringify([writer.entry, reader.entry]) });
    return new Running(url, writer.key, reader.key);
  }

  /** A service of its own, with default settings but for those given. */
  async service(env: Record<string, string> = {}): Promise<Running> {
    return new Running(await this.#start(env), '', '');
  }

  /** The one real Kafka of all rows. @throws MissingToolError */
  async kafka(): Promise<KafkaServer> {
    this.#kafka ??= this.#startKafka();
    return this.#kafka;
  }

  /** Something else to stop when the rows have been run. */
  ends(end: () => Promise<unknown>): void {
    this.#ends.push(end);
  }

  /** Starts a client, and gives what its last line says: JSON. @throws Error with all it says when it fails */
  async run<Said>(program: Program, env: Record<string, string>, input = ''): Promise<Said> {
    const output = await this.output(program, env, input);
    const last = output.trim().split('\n').at(-1)!;
    try {
      return JSON.parse(last) as Said;
    } catch (cause) {
      throw new Error(`the client printed no JSON: ${output}`, { cause });
    }
  }

  /** Starts a client, and gives what it prints. @throws Error with all it says when it fails */
  async output(
    { command, args, env: own }: Program,
    env: Record<string, string>,
    input = '',
  ): Promise<string> {
    return new Promise((resolve, reject) => {
      const options = {
        maxBuffer: MOST_OUTPUT,
        timeout: CLIENT_TIMEOUT_MS,
        env: { ...process.env, ...own, ...env },
      };
      const child = execFile(command, args, options, (error, stdout, stderr) => {
        if (error)
          reject(new Error(`the client failed: ${error.message}\n${stdout}${stderr}`, { cause: error }));
        else resolve(stdout);
      });
      child.stdin!.end(input);
    });
  }

  async stop(): Promise<void> {
    for (const end of this.#ends.reverse()) await end();
  }

  async #startKafka(): Promise<KafkaServer> {
    const dataDir = await this.#folder();
    const progress = this.#progress;
    const server = await KafkaServer.start({ version: KAFKA_4, port: 0, dataDir, progress }).catch(
      (error) => {
        if (error instanceof MissingProgramError) throw new MissingToolError('java', error.message);
        throw error;
      },
    );
    this.#ends.push(() => server.stop());
    return server;
  }

  async #start(env: Record<string, string>): Promise<string> {
    const DATA_DIR = await this.#folder();
    const config = loadConfig({ PORT: '0', DATA_DIR, ...env });
    const logger = await createLogger({ level: 'fatal', format: 'text' });
    const service = await startService(config, { logger });
    this.#ends.push(() => service.stop());
    return service.url;
  }

  async #folder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'footfall-clients-'));
    this.#ends.push(() => rm(folder, { recursive: true, force: true }));
    return folder;
  }
}
