import { setTimeout as sleep } from 'node:timers/promises';
import { every, type Fault, nothingToHeal, oneOf } from './fault.ts';

/** What happens to brokers and to the network between them and the service. */
export const BROKER_FAULTS: Fault[] = [
  {
    name: 'broker killed',
    cases: ['F2'],
    shows: 'log',
    lastsMs: [3000, 6000],
    async inject({ cluster: { kafka } }) {
      await kafka.kill();
      return () => kafka.startBroker();
    },
  },
  {
    name: 'broker frozen',
    cases: ['F3'],
    shows: 'log',
    lastsMs: [4000, 10_000],
    async inject({ cluster: { kafka } }) {
      kafka.pause();
      return async () => kafka.resume();
    },
  },
  {
    name: 'network to the broker holds everything back',
    cases: ['F3'],
    shows: 'log',
    lastsMs: [4000, 12_000],
    async inject({ cluster: { kafkaProxy } }) {
      kafkaProxy.set('blackhole');
      return async () => kafkaProxy.set('pass');
    },
  },
  {
    name: 'network to the broker is slow',
    cases: ['F3'],
    worksMeanwhile: true,
    lastsMs: [3000, 5000],
    async inject({ cluster: { kafkaProxy } }) {
      kafkaProxy.set('delay');
      return async () => kafkaProxy.set('pass');
    },
  },
  {
    name: "the broker's answers are lost",
    cases: ['F4'],
    shows: 'log',
    lastsMs: [1000, 5000],
    async inject({ cluster: { kafkaProxy } }) {
      kafkaProxy.set('mute');
      return async () => kafkaProxy.set('pass');
    },
  },
  {
    name: 'connections to the broker are reset',
    cases: ['F3', 'F6'],
    lastsMs: [1000, 3000],
    async inject({ cluster: { kafkaProxy } }) {
      return every(200, () => kafkaProxy.reset());
    },
  },
  {
    name: 'the broker half-closes its connections',
    cases: ['F3'],
    lastsMs: [1000, 3000],
    async inject({ cluster: { kafkaProxy } }) {
      return every(500, () => kafkaProxy.halfClose());
    },
  },
  {
    name: 'one of three brokers killed',
    cases: ['F2', 'F5'],
    brokers: 3,
    worksMeanwhile: true,
    lastsMs: [6000, 10_000],
    async inject({ cluster, random }) {
      const { server } = oneOf(cluster.brokers.slice(1), random);
      await server.kill();
      return () => server.startBroker();
    },
  },
  {
    name: 'one of three brokers frozen',
    cases: ['F3', 'F5'],
    brokers: 3,
    worksMeanwhile: true,
    lastsMs: [6000, 10_000],
    async inject({ cluster, random }) {
      const { server } = oneOf(cluster.brokers.slice(1), random);
      server.pause();
      return async () => server.resume();
    },
  },
  {
    name: 'three brokers restarted one after the other',
    cases: ['F5'],
    brokers: 3,
    lastsMs: [0, 0],
    async inject({ cluster }) {
      for (const { server } of cluster.brokers) {
        await server.stopBroker();
        await server.startBroker();
        await sleep(1000);
      }
      return nothingToHeal;
    },
  },
  {
    name: 'too few replicas',
    cases: ['F5'],
    brokers: 3,
    shows: 'log',
    lastsMs: [5000, 8000],
    async inject({ cluster }) {
      const others = cluster.brokers.slice(1).map(({ server }) => server);
      await Promise.all(others.map((server) => server.kill()));
      return async () => {
        await Promise.all(others.map((server) => server.startBroker()));
      };
    },
  },
];
