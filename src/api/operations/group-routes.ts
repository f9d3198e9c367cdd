import type { FastifyInstance, FastifySchema } from 'fastify';
import type { EventLog, TopicEnds } from '../../log/event-log.ts';
import { accounts } from '../../processing/ledger.ts';
import type { PartitionProgress } from '../../processing/progress.ts';
import type { EventStore } from '../../store/event-store.ts';
import { answers, json, ref } from '../openapi/schemas.ts';

const GROUP_BYTES = 100_000;

const GET_GROUPS: FastifySchema = {
  operationId: 'getConsumerGroups',
  tags: ['Operations'],
  summary: 'How far processing is, by partition',
  description: 'What is stored, and what the log holds beyond; `lag` is null while the log cannot be asked.',
  response: answers.read(
    { 200: json('Positions, ends and counts.', ref('ConsumerGroups')) },
    'store_unavailable',
  ),
};

export interface GroupRoutesOptions {
  log: EventLog;
  store: EventStore;
  /** The topic of events. */
  topic: string;
  /** The consumer group in which this service processes them. */
  group: string;
  progress: { readonly partitions: readonly PartitionProgress[] };
}

/** Processing progress of this service's consumer group, by partition. */
export async function groupRoutes(
  api: FastifyInstance,
  { log, store, topic, group, progress }: GroupRoutesOptions,
): Promise<void> {
  api.get(
    '/consumer-groups',
    { schema: GET_GROUPS, config: { reservesBytes: GROUP_BYTES, scope: 'read' } },
    async () => {
      const positions = await store.positions(group, topic);
      // Stored positions are available without the log too.
      const [found, members] = await Promise.all([
        log.ends(topic).catch((): Partial<TopicEnds> => ({})),
        log.members(topic, group).catch(() => null),
      ]);
      const byPartition = new Map(accounts(positions).map((account) => [account.partition, account]));
      const partitions = [...new Set([...(found.ends?.keys() ?? []), ...byPartition.keys()])].sort(
        (a, b) => a - b,
      );
      return {
        groups: [
          {
            group,
            topic,
            logReachable: found.ends !== undefined,
            members,
            partitions: partitions.map((partition) => {
              const current = positions.find(
                (one) => one.partition === partition && one.topicId === found.topicId,
              );
              const { end, stable } = found.ends?.get(partition) ?? {};
              const known = progress.partitions.find((one) => one.partition === partition);
              const position = current?.offset ?? 0;
              const isHeldBack = end !== undefined && position >= stable! && end > position;
              const { stored, duplicates, deadLettered, expired, lost, rewound, unaccounted } =
                byPartition.get(partition) ?? NOTHING;
              return {
                partition,
                position: asText(current?.offset),
                end: asText(end),
                lag: end === undefined ? null : Math.max(0, end - position),
                oldestWaiting: known?.oldestWaiting?.toISOString() ?? null,
                heldBack: isHeldBack ? end - position : 0,
                stored,
                duplicates,
                deadLettered,
                expired,
                lost,
                rewound,
                unaccounted,
              };
            }),
          },
        ],
      };
    },
  );
}

const NOTHING = {
  stored: 0,
  duplicates: 0,
  deadLettered: 0,
  expired: 0,
  lost: 0,
  rewound: 0,
  unaccounted: 0,
};

/** Offsets may exceed what some JSON readers hold in a number. */
function asText(offset: number | null | undefined): string | null {
  return offset == null ? null : String(offset);
}
