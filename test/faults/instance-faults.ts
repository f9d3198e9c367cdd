import { setTimeout as sleep } from 'node:timers/promises';
import { SESSION_TIMEOUT_MS } from './cluster.ts';
import { type CrashPoint, crashPoints, RESET } from './crash-points.ts';
import { type Fault, nothingToHeal, oneOf } from './fault.ts';
import { writeJunk } from './topic-faults.ts';

/** What happens to instances of the service. */
export const INSTANCE_FAULTS: Fault[] = [
  {
    name: 'an instance is killed',
    cases: ['F18'],
    lastsMs: [500, 3000],
    async inject({ cluster, random }) {
      const victim = oneOf(cluster.instances, random);
      await victim.kill();
      return () => victim.start();
    },
  },
  {
    name: 'an instance is killed while its commits are unanswered',
    cases: ['F18', 'F33'],
    lastsMs: [500, 1000],
    async inject({ cluster, random }) {
      const victim = oneOf(cluster.instances, random);
      cluster.postgresProxy.set('mute');
      await sleep(300);
      await victim.kill();
      cluster.postgresProxy.set('pass');
      return () => victim.start();
    },
  },
  ...crashPoints().map(diesAt),
  ...crashPoints((file) => file === RESET).map(resetDiesAt),
  {
    name: 'an instance is frozen past its session and wakes up',
    cases: ['F19', 'F22'],
    lastsMs: [2 * SESSION_TIMEOUT_MS, 2 * SESSION_TIMEOUT_MS],
    async inject({ cluster, random }) {
      const zombie = oneOf(cluster.instances, random);
      zombie.freeze();
      return async () => zombie.unfreeze();
    },
  },
  {
    name: "an instance's event loop is blocked past its session",
    cases: ['F22', 'F40'],
    lastsMs: [14_000, 14_000],
    async inject({ cluster, random }) {
      oneOf(cluster.instances, random).block();
      return nothingToHeal;
    },
  },
  {
    name: 'instances come and go',
    cases: ['F20'],
    lastsMs: [7000, 12_000],
    async inject({ cluster }) {
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
    async inject({ cluster: { instances } }) {
      for (const instance of instances) {
        const code = await instance.stop();
        if (code !== 0) instance.crashes.push(`${instance.name} stopped with ${code}`);
        await instance.start();
      }
      return nothingToHeal;
    },
  },
];

function diesAt(point: CrashPoint): Fault {
  return {
    name: `an instance dies at ${point.id}`,
    cases: ['F18'],
    lastsMs: [0, 500],
    async inject({ cluster, random }) {
      const victim = oneOf(cluster.instances, random);
      let dead = false;
      const death = victim.restartToDieAt(point).then(() => {
        dead = true;
      });
      // Load alone does not lead everywhere: some points lie where records are set aside, or sent back.
      while (!dead) {
        await writeJunk(cluster);
        const redriven = victim.url && redriveAll(victim.url);
        await Promise.race([death, Promise.all([redriven, sleep(500)])]);
      }
      return () => victim.start();
    },
  };
}

function resetDiesAt(point: CrashPoint): Fault {
  return {
    name: `a reset of positions dies at ${point.id}`,
    cases: ['F18'],
    lastsMs: [0, 500],
    async inject({ cluster: { instances }, random, violated }) {
      const args = ['positions', 'reset', '--to-earliest', '--execute'];
      const end = await oneOf(instances, random).runToDieAt(point, args);
      if (end !== 'SIGKILL') violated(`a reset of positions ended with ${end} before ${point.id}`);
      return nothingToHeal;
    },
  };
}

async function redriveAll(url: string): Promise<void> {
  const headers = { 'Content-Type': 'application/json' };
  // Dying meanwhile is what it is for.
  await fetch(`${url}/dead-letters/redrive`, { method: 'POST', headers, body: '{"all":true}' }).catch(
    () => {},
  );
}
