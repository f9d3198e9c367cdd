import type { Logger } from '../../observability/logger.ts';
import { type Admin, ConfigResourceTypes, hasKafkaError } from './client.ts';

/** A topic and what it should be able to take. */
export interface LimitedTopic {
  name: string;
  /** Bytes of the largest body the service takes as an event of this topic (`MAX_BODY_BYTES`). */
  maxBodyBytes?: number;
  /** The topic whose rejected records are copied into this one. */
  copiesOf?: string;
}

/** What an event has beside its body, or a dead letter beside its record: key, headers, ids, the batch around it. */
const ROOM_BYTES = 16_384;

interface TopicSettings {
  /** Bytes of the largest batch, and so of the largest record: `max.message.bytes`. */
  maxBytes: number;
  isCompacted: boolean;
}

/** Logs one line for each setting of a topic that will lose or refuse something, with what to change. */
export async function warnAboutSettings(
  admin: Admin,
  topics: readonly LimitedTopic[],
  logger: Logger,
): Promise<void> {
  try {
    for (const { topic, warning } of await compareSettings(admin, topics)) logger.warn({ topic }, warning);
  } catch (error) {
    logger.debug({ err: error }, 'settings of topics not compared');
  }
}

/**
 * @param topics that exist
 * @returns one sentence for each setting that will lose or refuse something; none where we may not ask
 */
export async function compareSettings(
  admin: Admin,
  topics: readonly LimitedTopic[],
): Promise<{ topic: string; warning: string }[]> {
  try {
    const settings = await readSettings(admin, topics);
    return topics.flatMap((topic) =>
      warningsOf(topic, settings).map((warning) => ({ topic: topic.name, warning })),
    );
  } catch (error) {
    if (hasKafkaError(error, 'TOPIC_AUTHORIZATION_FAILED')) return [];
    throw error;
  }
}

async function readSettings(
  admin: Admin,
  topics: readonly LimitedTopic[],
): Promise<Map<string, TopicSettings>> {
  const described = await admin.describeConfigs({
    resources: topics.map(({ name }) => ({
      resourceType: ConfigResourceTypes.TOPIC,
      resourceName: name,
      configurationKeys: ['max.message.bytes', 'cleanup.policy'],
    })),
  });
  return new Map(
    described.map(({ resourceName, configs }) => {
      const values = new Map(configs.map(({ name, value }) => [name, value]));
      const maxBytes = Number(values.get('max.message.bytes'));
      return [resourceName, { maxBytes, isCompacted: /compact/.test(values.get('cleanup.policy') ?? '') }];
    }),
  );
}

/** In sentences that say what to change. */
function warningsOf(
  { name, maxBodyBytes, copiesOf }: LimitedTopic,
  settings: ReadonlyMap<string, TopicSettings>,
): string[] {
  const warnings: string[] = [];
  const { maxBytes, isCompacted } = settings.get(name)!;
  const source = copiesOf === undefined ? undefined : settings.get(copiesOf);
  const takes = `Topic ${name} takes records of up to ${maxBytes} bytes`;
  if (maxBodyBytes !== undefined && maxBytes < maxBodyBytes + ROOM_BYTES) {
    const least = maxBodyBytes + ROOM_BYTES;
    warnings.push(
      `${takes}, and MAX_BODY_BYTES lets in events of ${maxBodyBytes}: those that do not fit get 413. Raise max.message.bytes of the topic to ${least}, or lower MAX_BODY_BYTES`,
    );
  }
  if (source !== undefined && maxBytes < source.maxBytes + ROOM_BYTES) {
    const least = source.maxBytes + ROOM_BYTES;
    warnings.push(
      `${takes}, and topic ${copiesOf} up to ${source.maxBytes}: dead letters that do not fit are kept without their bytes. Raise max.message.bytes of ${name} to ${least}`,
    );
  }
  if (isCompacted) {
    const loss =
      copiesOf === undefined
        ? 'Kafka deletes events of a user when newer ones come'
        : 'Kafka deletes dead letters when newer ones with the same key come, and refuses those without a key, of which only origin and reason are kept';
    warnings.push(`Topic ${name} has cleanup.policy=compact: ${loss}. Set cleanup.policy=delete`);
  }
  return warnings;
}
