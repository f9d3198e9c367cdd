import { setTimeout as sleep } from 'node:timers/promises';
import { errorsIn } from '../../describe-cause.ts';
import type { Logger } from '../../observability/logger.ts';
import type { Examination } from '../examination.ts';
import { type Admin, ConfigResourceTypes, hasKafkaError } from './client.ts';
import { checkPermissions } from './permissions.ts';
import { compareSettings, type LimitedTopic, warnAboutSettings } from './topic-settings.ts';

export interface TopicsOptions {
  /** Created if missing, before anything is read or written, unless `creates` is false. */
  topics: TopicDefinition[];
  /** False: whoever uses this only looks. */
  creates?: boolean;
  partitions: number;
  /** -1: the broker's default. */
  replication: number;
}

interface TopicDefinition extends LimitedTopic {
  /** Topic settings by Kafka's names, overriding the broker's. */
  configs?: Record<string, string>;
}

const CREATION_TIMEOUT_MS = 10_000;
const CREATION_POLL_MS = 50;
const UNKNOWN_TOPIC = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_ID', 'INCONSISTENT_TOPIC_ID']);

/** Whether Kafka, or its client, reports that a topic is missing or was replaced by another of the same name. */
export function isUnknownTopic(error: unknown): boolean {
  for (const inner of errorsIn(error)) {
    if ('apiId' in inner && UNKNOWN_TOPIC.has(String(inner.apiId))) return true;
    // How the client reports it in a metadata response; the name it gives may be that of another topic.
    if (inner.message.startsWith('Unknown topic ')) return true;
  }
  return false;
}

/** The topics a service needs: creates missing ones and checks whether they accept records. */
export class KafkaTopics {
  readonly #options: TopicsOptions;
  readonly #admin: Admin;
  readonly #logger: Logger;
  #ready: Promise<void> | undefined;
  #warned = false;

  constructor({ admin, logger, ...options }: TopicsOptions & { admin: Admin; logger: Logger }) {
    this.#options = options;
    this.#admin = admin;
    this.#logger = logger;
  }

  /** Creates missing topics once; again on the next use after a failure or `forget`. @throws if it may not create them */
  ensure(): Promise<void> {
    if (this.#ready === undefined) {
      const { creates = true } = this.#options;
      const ready = creates ? this.#createMissing().then(() => this.#warn()) : this.#refuseMissing();
      this.#ready = ready;
      ready.catch(() => {
        if (this.#ready === ready) this.forget();
      });
    }
    return this.#ready;
  }

  /** A topic was missing: the next use checks all of them. */
  forget(): void {
    this.#ready = undefined;
  }

  /** Whether a topic of this name exists, one of these or any other. */
  async exists(name: string): Promise<boolean> {
    try {
      await this.#admin.metadata({ topics: [name], forceUpdate: true });
      return true;
    } catch (error) {
      if (isUnknownTopic(error)) return false;
      if (hasKafkaError(error, 'LEADER_NOT_AVAILABLE')) return true;
      if (hasKafkaError(error, 'TOPIC_AUTHORIZATION_FAILED')) {
        throw new Error(`Topic authorization failed: ${name}`, { cause: error });
      }
      throw error;
    }
  }

  /** @throws when a topic is missing or a partition cannot currently accept a record, saying which and why */
  async check(): Promise<void> {
    await this.ensure();
    await this.#checkAll(this.#options.topics);
  }

  /** As `check`, without creating anything. @returns the names of topics that are missing */
  async inspect(): Promise<string[]> {
    const missing = await this.#missing();
    const present = this.#options.topics.filter((topic) => !missing.includes(topic));
    await this.#checkAll(present);
    return missing.map(({ name }) => name);
  }

  /** Settings of the topics that will lose or refuse something, and where their partitions are. Creates nothing. */
  async examine(): Promise<Examination> {
    const missing = await this.#missing();
    const present = this.#options.topics.filter((topic) => !missing.includes(topic));
    const names = present.map(({ name }) => name);
    if (names.length === 0) return { warnings: [], facts: { topics: [] } };
    const { brokers, topics } = await this.#admin.metadata({ topics: names, forceUpdate: true });
    const compared = await compareSettings(this.#admin, present);
    const described = names.map((name) => ({
      name,
      partitions: topics
        .get(name)!
        .partitions.map(({ leader, replicas, isr }) => ({ leader, replicas, isr })),
    }));
    return {
      warnings: compared.map(({ warning }) => warning),
      facts: { brokers: [...brokers.values()], topics: described },
    };
  }

  async #checkAll(topics: readonly TopicDefinition[]): Promise<void> {
    const names = topics.map(({ name }) => name);
    // One by one: asked for several, the client may name a different topic than the missing one.
    const check = () => Promise.all(names.map((name) => this.#checkTopic(name)));
    await check();
    try {
      await checkPermissions(this.#admin, names);
    } catch (error) {
      // Deleted since it was checked: checking again says which.
      if (isUnknownTopic(error)) await check();
      throw error;
    }
  }

  async #checkTopic(name: string): Promise<void> {
    const { inSync, least } = await this.#replicasOf(name);
    const partition = inSync.findIndex((count) => count < least);
    if (partition === -1) return;
    throw new Error(
      `partition ${partition} of topic ${name} has ${inSync[partition]} replicas in sync, and takes records from ${least} on`,
    );
  }

  /** Replicas in sync of each partition, and how many there must be. @throws when the topic is missing, saying so */
  async #replicasOf(name: string): Promise<{ inSync: number[]; least: number }> {
    try {
      const { topics } = await this.#admin.metadata({ topics: [name], forceUpdate: true, retries: 0 });
      const inSync = topics.get(name)!.partitions.map(({ isr }) => isr.length);
      return { inSync, least: await this.#minInSyncReplicas(name) };
    } catch (error) {
      if (isUnknownTopic(error)) throw new Error(`topic ${name} is missing`, { cause: error });
      if (hasKafkaError(error, 'LEADER_NOT_AVAILABLE'))
        throw new Error(`a partition of topic ${name} has no leader`, { cause: error });
      throw new Error(`topic ${name} cannot be looked at`, { cause: error });
    }
  }

  /** 1 if we lack the permission to ask. */
  async #minInSyncReplicas(resourceName: string): Promise<number> {
    const resourceType = ConfigResourceTypes.TOPIC;
    const configurationKeys = ['min.insync.replicas'];
    try {
      const [described] = await this.#admin.describeConfigs({
        resources: [{ resourceType, resourceName, configurationKeys }],
      });
      return Number(described?.configs[0]?.value ?? 1);
    } catch (error) {
      if (hasKafkaError(error, 'TOPIC_AUTHORIZATION_FAILED')) return 1;
      throw error;
    }
  }

  async #createMissing(): Promise<void> {
    const giveUpAt = performance.now() + CREATION_TIMEOUT_MS;
    for (let missing = await this.#missing(); missing.length > 0; missing = await this.#missing()) {
      if (performance.now() > giveUpAt)
        throw new Error(`topic ${missing[0]!.name} was created and does not appear`);
      await Promise.all(missing.map((topic) => this.#create(topic)));
      // The controller has created it; this broker learns of it a moment later. The name of a topic being deleted stays
      // taken until the deletion is done.
      await sleep(CREATION_POLL_MS);
    }
  }

  /** Of the copies, only what writes them needs the topic. */
  async #refuseMissing(): Promise<void> {
    const needed = this.#options.topics.filter(({ copiesOf }) => copiesOf === undefined);
    for (const { name } of needed)
      if (!(await this.exists(name))) throw new Error(`topic ${name} is missing`);
  }

  async #missing(): Promise<TopicDefinition[]> {
    const { topics } = this.#options;
    const exists = await Promise.all(topics.map(({ name }) => this.exists(name)));
    return topics.filter((_topic, at) => !exists[at]);
  }

  async #create({ name, configs = {} }: TopicDefinition): Promise<void> {
    const { partitions, replication: replicas } = this.#options;
    try {
      const settings = Object.entries(configs).map(([setting, value]) => ({ name: setting, value }));
      await this.#admin.createTopics({ topics: [name], partitions, replicas, configs: settings });
      this.#logger.info({ topic: name, partitions }, 'topic created');
    } catch (error) {
      // Another instance, or a person, created it first; or it is being deleted.
      if (hasKafkaError(error, 'TOPIC_ALREADY_EXISTS')) return;
      const mayNot =
        hasKafkaError(error, 'TOPIC_AUTHORIZATION_FAILED') ||
        hasKafkaError(error, 'CLUSTER_AUTHORIZATION_FAILED');
      const verb = mayNot ? 'may not' : 'cannot';
      throw new Error(`topic ${name} is missing and ${verb} be created`, { cause: error });
    }
  }

  /** Once per process: people rarely change topic settings. */
  async #warn(): Promise<void> {
    if (this.#warned) return;
    this.#warned = true;
    await warnAboutSettings(this.#admin, this.#options.topics, this.#logger);
  }
}
