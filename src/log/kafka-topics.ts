import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../logger.ts';
import { type Admin, ConfigResourceTypes, hasKafkaError } from './kafka-client.ts';

export interface TopicsOptions {
  /** Created where they are missing, before anything is read or written. */
  topics: TopicDefinition[];
  partitions: number;
  /** -1: the broker's default. */
  replication: number;
}

export interface TopicDefinition {
  name: string;
  /** Topic settings by Kafka's names, on top of the broker's. */
  configs?: Record<string, string>;
}

const CREATION_TIMEOUT_MS = 10_000;
const CREATION_POLL_MS = 50;

/** The topics a service needs: made where they are missing, and asked whether they take records. */
export class KafkaTopics {
  readonly #options: TopicsOptions;
  readonly #admin: Admin;
  readonly #logger: Logger;
  #ready: Promise<void> | undefined;

  constructor(options: TopicsOptions, admin: Admin, logger: Logger) {
    this.#options = options;
    this.#admin = admin;
    this.#logger = logger;
  }

  /** Creates missing topics; done once, tried again at the next need after a failure. */
  ensure(): Promise<void> {
    this.#ready ??= this.#createMissing().catch((error) => {
      this.#ready = undefined;
      throw error;
    });
    return this.#ready;
  }

  /** @throws when a partition could not take a record just now, saying why */
  async check(): Promise<void> {
    await this.ensure();
    const names = this.#options.topics.map(({ name }) => name);
    const [{ topics }, minInSync] = await Promise.all([
      this.#admin.metadata({ topics: names, forceUpdate: true, retries: 0 }),
      this.#minInSyncReplicas(names),
    ]);
    for (const [name, { partitions }] of topics) {
      for (const [partition, { leader, isr }] of partitions.entries()) {
        if (leader < 0) throw new Error(`partition ${partition} of topic ${name} has no leader`);
        const least = minInSync.get(name) ?? 1;
        if (isr.length < least) {
          throw new Error(
            `partition ${partition} of topic ${name} has ${isr.length} replicas in sync, and takes records from ${least} on`,
          );
        }
      }
    }
  }

  /** By topic; empty where we may not ask. */
  async #minInSyncReplicas(names: readonly string[]): Promise<Map<string, number>> {
    try {
      const described = await this.#admin.describeConfigs({
        resources: names.map((resourceName) => ({
          resourceType: ConfigResourceTypes.TOPIC,
          resourceName,
          configurationKeys: ['min.insync.replicas'],
        })),
      });
      return new Map(described.map(({ resourceName, configs }) => [resourceName, Number(configs[0]?.value)]));
    } catch (error) {
      if (hasKafkaError(error, 'TOPIC_AUTHORIZATION_FAILED')) return new Map();
      throw error;
    }
  }

  async #createMissing(): Promise<void> {
    const missing = await this.#missing();
    await Promise.all(missing.map((topic) => this.#create(topic)));
    // The controller has created them; the broker asked here learns of it a moment later.
    const giveUpAt = Date.now() + CREATION_TIMEOUT_MS;
    while (missing.length > 0 && (await this.#missing()).length > 0) {
      if (Date.now() > giveUpAt) throw new Error('the topics were created but do not appear');
      await sleep(CREATION_POLL_MS);
    }
  }

  async #missing(): Promise<TopicDefinition[]> {
    const existing = await this.#admin.listTopics();
    return this.#options.topics.filter(({ name }) => !existing.includes(name));
  }

  async #create({ name, configs = {} }: TopicDefinition): Promise<void> {
    const { partitions, replication: replicas } = this.#options;
    try {
      const settings = Object.entries(configs).map(([setting, value]) => ({ name: setting, value }));
      await this.#admin.createTopics({ topics: [name], partitions, replicas, configs: settings });
      this.#logger.info({ topic: name, partitions }, 'topic created');
    } catch (error) {
      // Another instance was faster.
      if (!hasKafkaError(error, 'TOPIC_ALREADY_EXISTS')) throw error;
    }
  }
}
