import { setTimeout as sleep } from 'node:timers/promises';
import { Producer } from '@platformatic/kafka';
import { deadLetterTopic } from '../../src/dead-letters/dead-letter-records.ts';
import { type Cluster, TOPIC } from './cluster.ts';
import { type Fault, nothingToHeal } from './fault.ts';
import { presentPositions, readTopic, untilCaughtUp, withAdmin } from './read-history.ts';

/** Values that are no events, as other producers or a broken one might write them. */
const JUNK = [
  Buffer.from('junk'),
  Buffer.from('[]'),
  Buffer.from('{"eventId":"x"}'),
  Buffer.from([0xff, 0xfe]),
  Buffer.alloc(0),
];

export async function writeJunk({ bootstrap }: Cluster): Promise<void> {
  const producer = new Producer({ clientId: 'foreign', bootstrapBrokers: bootstrap });
  const messages = JUNK.map((value, at) => ({ topic: TOPIC, partition: at % 3, value }));
  await producer.send({ messages, acks: -1 });
  await producer.close();
}

function setMinInsyncReplicas(cluster: Cluster, topic: string, value: string): Promise<void> {
  return withAdmin(cluster, (admin) =>
    admin.incrementalAlterConfigs({
      resources: [
        {
          resourceType: 2,
          resourceName: topic,
          configs: [{ name: 'min.insync.replicas', configOperation: 0, value }],
        },
      ],
    }),
  );
}

/** What happens to the topics. */
export const TOPIC_FAULTS: Fault[] = [
  {
    name: 'junk in the topic',
    cases: ['F27'],
    lastsMs: [500, 500],
    async inject({ cluster }) {
      await writeJunk(cluster);
      return nothingToHeal;
    },
  },
  {
    name: 'junk while the dead-letter topic takes nothing',
    cases: ['F29'],
    shows: 'log',
    lastsMs: [3000, 6000],
    async inject({ cluster }) {
      const topic = deadLetterTopic(TOPIC);
      await setMinInsyncReplicas(cluster, topic, '2');
      await writeJunk(cluster);
      return () => setMinInsyncReplicas(cluster, topic, '1');
    },
  },
  {
    name: 'a partition is added',
    cases: ['F23'],
    lastsMs: [1000, 1000],
    async inject({ cluster }) {
      await withAdmin(cluster, async (admin) => {
        const { topics } = await admin.metadata({ topics: [TOPIC], forceUpdate: true });
        const count = topics.get(TOPIC)!.partitionsCount + 1;
        await admin.createPartitions({
          topics: [{ name: TOPIC, count, assignments: [{ brokerIds: [1] }] }],
        });
      });
      return nothingToHeal;
    },
  },
  {
    name: 'retention deletes what is not processed yet',
    cases: ['F23'],
    shows: 'store',
    lastsMs: [2000, 4000],
    async inject({ cluster }) {
      cluster.postgresProxy.set('blackhole');
      // Nothing that is on its way may arrive later: what is stored must not change any more.
      await cluster.terminateBackends();
      await sleep(1000);
      const before = await readTopic(cluster);
      const positions = await presentPositions(cluster);
      const unprocessed = positions.flatMap(({ partition, offset: from }) => {
        const last = before.findLast((record) => record.partition === partition);
        return last === undefined || last.offset < from ? [] : [{ partition, to: last.offset + 1 }];
      });
      const leaving = before.filter((record) =>
        unprocessed.some(({ partition }) => partition === record.partition),
      );
      cluster.past.leave(leaving, positions, 'deleted');
      await withAdmin(cluster, (admin) =>
        admin.deleteRecords({
          topics: [
            {
              name: TOPIC,
              partitions: unprocessed.map(({ partition, to }) => ({ partition, offset: BigInt(to) })),
            },
          ],
        }),
      );
      return async () => cluster.postgresProxy.set('pass');
    },
  },
  {
    name: 'the topic is deleted and created again',
    cases: ['F8', 'F23'],
    lastsMs: [1000, 1000],
    async inject({ cluster, load, violated }) {
      // What is deleted unprocessed is gone, as whoever deletes a topic wants it; so wait until nothing is.
      await load.pause();
      await untilCaughtUp(cluster, violated);
      const positions = await presentPositions(cluster);
      cluster.past.leave(await readTopic(cluster), positions, 'gone');
      cluster.past.ends.push(...positions);
      await withAdmin(cluster, (admin) => admin.deleteTopics({ topics: [TOPIC] }));
      await cluster.createTopicAnew();
      load.resume();
      return nothingToHeal;
    },
  },
];
