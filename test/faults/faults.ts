import { setTimeout as sleep } from 'node:timers/promises';
import { Admin, Producer } from '@platformatic/kafka';
import { type Cluster, SESSION_TIMEOUT_MS, TOPIC } from './cluster.ts';

export interface Fault {
  name: string;
  /** The fault cases of the test plan it covers. */
  cases: string[];
  /** What `/readyz` must show while it lasts. */
  shows?: 'log' | 'store';
  /** Resolves to what ends the fault. */
  inject(cluster: Cluster, random: () => number): Promise<() => Promise<void>>;
  /** Milliseconds from injecting to ending it. */
  lastsMs: [least: number, most: number];
}

function oneOf<T>(items: readonly T[], random: () => number): T {
  return items[Math.floor(random() * items.length)]!;
}

async function withProducer(cluster: Cluster, use: (producer: Producer) => Promise<unknown>): Promise<void> {
  const producer = new Producer({ clientId: 'foreign', bootstrapBrokers: [cluster.kafka.bootstrap] });
  await use(producer);
  await producer.close();
}

/** Values that are no events, as other producers or a broken one might write them. */
const JUNK = [
  Buffer.from('junk'),
  Buffer.from('[]'),
  Buffer.from('{"eventId":"x"}'),
  Buffer.from([0xff, 0xfe]),
  Buffer.alloc(0),
];

export const FAULTS: Fault[] = [
  {
    name: 'broker killed',
    cases: ['F2'],
    shows: 'log',
    lastsMs: [3000, 6000],
    async inject({ kafka }) {
      await kafka.kill();
      return () => kafka.startBroker();
    },
  },
  {
    name: 'broker frozen',
    cases: ['F3'],
    shows: 'log',
    lastsMs: [4000, 10_000],
    async inject({ kafka }) {
      kafka.pause();
      return async () => kafka.resume();
    },
  },
  {
    name: 'network to the broker holds everything back',
    cases: ['F3'],
    shows: 'log',
    lastsMs: [4000, 12_000],
    async inject({ kafkaProxy }) {
      kafkaProxy.set('blackhole');
      return async () => kafkaProxy.set('pass');
    },
  },
  {
    name: "the broker's answers are lost",
    cases: ['F4'],
    shows: 'log',
    lastsMs: [1000, 5000],
    async inject({ kafkaProxy }) {
      kafkaProxy.set('mute');
      return async () => kafkaProxy.set('pass');
    },
  },
  {
    name: 'connections to the broker are reset',
    cases: ['F3', 'F6'],
    lastsMs: [1000, 3000],
    async inject({ kafkaProxy }) {
      const timer = setInterval(() => kafkaProxy.reset(), 200);
      return async () => clearInterval(timer);
    },
  },
  {
    name: 'an instance is killed',
    cases: ['F18'],
    lastsMs: [500, 3000],
    async inject({ instances }, random) {
      const victim = oneOf(instances, random);
      await victim.kill();
      return () => victim.start();
    },
  },
  {
    name: 'an instance is frozen past its session and wakes up',
    cases: ['F19', 'F22'],
    lastsMs: [2 * SESSION_TIMEOUT_MS, 2 * SESSION_TIMEOUT_MS],
    async inject({ instances }, random) {
      const zombie = oneOf(instances, random);
      zombie.freeze();
      return async () => zombie.unfreeze();
    },
  },
  {
    name: 'instances come and go',
    cases: ['F20'],
    lastsMs: [10_000, 14_000],
    async inject(cluster) {
      let going = true;
      const storm = (async () => {
        while (going) {
          const extra = await cluster.addInstance();
          await sleep(1500);
          await cluster.removeInstance(extra);
        }
      })();
      return async () => {
        going = false;
        await storm;
      };
    },
  },
  {
    name: 'instances are restarted one after the other',
    cases: ['F21', 'F38'],
    lastsMs: [0, 0],
    async inject({ instances }) {
      for (const instance of instances) {
        const code = await instance.stop();
        if (code !== 0) instance.crashes.push(`${instance.name} stopped with ${code}`);
        await instance.start();
      }
      return async () => {};
    },
  },
  {
    name: 'a partition is added',
    cases: ['F23'],
    lastsMs: [1000, 1000],
    async inject({ kafka }) {
      const admin = new Admin({ clientId: 'torture', bootstrapBrokers: [kafka.bootstrap] });
      const { topics } = await admin.metadata({ topics: [TOPIC], forceUpdate: true });
      const count = topics.get(TOPIC)!.partitionsCount + 1;
      await admin.createPartitions({ topics: [{ name: TOPIC, count, assignments: [{ brokerIds: [1] }] }] });
      await admin.close();
      return async () => {};
    },
  },
  {
    name: 'junk in the topic',
    cases: ['F27'],
    lastsMs: [500, 500],
    async inject(cluster) {
      await withProducer(cluster, (producer) =>
        producer.send({
          messages: JUNK.map((value, at) => ({ topic: TOPIC, partition: at % 3, value })),
          acks: -1,
        }),
      );
      return async () => {};
    },
  },
  {
    name: 'PostgreSQL stopped',
    cases: ['F32'],
    shows: 'store',
    lastsMs: [3000, 8000],
    async inject({ postgres }) {
      await postgres.stop();
      return () => postgres.restart();
    },
  },
  {
    name: "PostgreSQL's backends are terminated",
    cases: ['F32'],
    lastsMs: [2000, 4000],
    async inject(cluster) {
      const terminate = () =>
        cluster.query(
          "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'footfall'",
        );
      const timer = setInterval(() => terminate().catch(() => {}), 300);
      return async () => clearInterval(timer);
    },
  },
  {
    name: "PostgreSQL's answers are lost, commits included",
    cases: ['F33'],
    shows: 'store',
    lastsMs: [1000, 4000],
    async inject({ postgresProxy }) {
      postgresProxy.set('mute');
      return async () => postgresProxy.set('pass');
    },
  },
  {
    name: 'network to PostgreSQL holds everything back',
    cases: ['F32'],
    shows: 'store',
    lastsMs: [4000, 10_000],
    async inject({ postgresProxy }) {
      postgresProxy.set('blackhole');
      return async () => postgresProxy.set('pass');
    },
  },
];
