import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Producer } from '@platformatic/kafka';
import { type Cluster, TOPIC } from './cluster.ts';
import { type Fault, until } from './fault.ts';
import type { Instance } from './instance.ts';
import { currentTopicId, presentPositions, readTopic, withAdmin } from './read-history.ts';

const FOREIGN_TOPIC = 'others';
/** A user for each of three partitions. */
const FOREIGN_USERS = ['alice', 'dave', 'carol'];
/** Longer than any fault lasts: the broker must not end the transaction before. */
const TRANSACTION_TIMEOUT_MS = 60_000;
const WORKS_WITHIN_MS = 30_000;

/** What others do who share the Kafka with the service. */
export const OTHERS_FAULTS: Fault[] = [
  {
    name: 'a service with another topic is in the same group',
    cases: ['F24'],
    worksMeanwhile: true,
    lastsMs: [0, 0],
    async inject({ cluster, violated }) {
      const foreign = await cluster.startForeign(FOREIGN_TOPIC);
      return async () => {
        if (!(await until(() => storesItsOwn(foreign), WORKS_WITHIN_MS)))
          violated('I7 a service with another topic in the same group does not store its events');
        const code = await foreign.stop();
        if (code !== 0) violated(`I9 a service with another topic stopped with ${code}`);
      };
    },
  },
  ...(['commits it', 'rolls it back'] as const).map(
    (end): Fault => ({
      name: `another producer leaves a transaction open and ${end} later`,
      cases: ['F26'],
      ...(end === 'commits it' && { isVariant: true }),
      shows: {
        where: 'what /consumer-groups says is held back',
        isShown: isHeldBack,
      },
      lastsMs: [2000, 5000],
      async inject({ cluster }) {
        const producer = foreignProducer(cluster);
        const transaction = await producer.beginTransaction();
        const messages = [0, 1, 2].map((partition) => ({ topic: TOPIC, partition, value: foreignEvent() }));
        await transaction.send({ messages });
        return async () => {
          await (end === 'commits it' ? transaction.commit() : transaction.abort());
          await producer.close();
        };
      },
    }),
  ),
  {
    name: 'the topic is deleted and nobody but the service creates it',
    cases: ['F8', 'F23'],
    lastsMs: [0, 0],
    async inject({ cluster, load, violated, say }) {
      cluster.postgresProxy.set('blackhole');
      await cluster.terminateBackends();
      await sleep(1000);
      await load.pause();
      const [before, positions] = [await readTopic(cluster), await presentPositions(cluster)];
      // Some of it is not processed, and is lost as whoever deletes a topic wants it.
      cluster.past.leave(before, positions, 'gone');
      const deleted = cluster.topic.id;
      await withAdmin(cluster, (admin) => admin.deleteTopics({ topics: [TOPIC] }));
      const topic = { id: deleted };
      const isThere = async () => {
        const id = await presentTopicId(cluster);
        if (id !== undefined) topic.id = id;
        return id !== undefined && id !== deleted;
      };
      // Until the broker has done what it promised, it takes records for the topic that is going.
      await until(async () => (await presentTopicId(cluster)) !== deleted, WORKS_WITHIN_MS);
      cluster.topic = topic;
      load.resume();
      cluster.postgresProxy.set('pass');
      return async () => {
        if (await until(isThere, WORKS_WITHIN_MS)) return say('  the service has created it');
        violated(`I7 the service has not created its topic within ${WORKS_WITHIN_MS} ms`);
        await cluster.createTopicAnew();
        topic.id = cluster.topic.id;
      };
    },
  },
];

/** @returns undefined where there is no such topic */
async function presentTopicId(cluster: Cluster): Promise<string | undefined> {
  // Asked for it by name, a broker could create it.
  const isThere = await withAdmin(cluster, async (admin) => (await admin.listTopics()).includes(TOPIC));
  return isThere ? currentTopicId(cluster) : undefined;
}

async function storesItsOwn({ url }: Instance): Promise<boolean> {
  const sent = await Promise.all(FOREIGN_USERS.map((userId) => postForeign(url!, userId)));
  if (sent.includes(undefined)) return false;
  const isStored = async () => {
    const answers = await Promise.all(sent.map((eventId) => fetch(`${url}/events/${eventId}`)));
    const states = await Promise.all(answers.map((answer) => answer.json() as Promise<{ state: string }>));
    return states.every(({ state }) => state === 'stored');
  };
  return until(isStored, WORKS_WITHIN_MS);
}

async function postForeign(url: string, userId: string): Promise<string | undefined> {
  const response = await fetch(`${url}/events/generate`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ userId, eventType: 'LOGIN' }),
  });
  const body = (await response.json()) as { event?: { eventId: string } };
  return body.event?.eventId;
}

async function isHeldBack(url: string): Promise<boolean> {
  const body = (await (await fetch(`${url}/consumer-groups`)).json()) as {
    groups: { partitions: { heldBack: number }[] }[];
  };
  return body.groups[0]!.partitions.some(({ heldBack }) => heldBack > 0);
}

function foreignProducer({ bootstrap }: Cluster): Producer {
  return new Producer({
    clientId: 'foreign',
    bootstrapBrokers: bootstrap,
    idempotent: true,
    transactionalId: `transaction-${randomUUID()}`,
    timeout: TRANSACTION_TIMEOUT_MS,
  });
}

/** A good event, which counts if its transaction is committed. */
function foreignEvent(): Buffer {
  const timestamp = new Date().toISOString();
  return Buffer.from(
    JSON.stringify({ eventId: randomUUID(), userId: 'foreign', eventType: 'LOGIN', timestamp, payload: {} }),
  );
}
