import { type Fault, until } from './fault.ts';
import type { Acked } from './load.ts';

const JUMP_MS = 10 * 60_000;
const JUMPS_WITHIN_MS = 10_000;

/** What happens to the wall clocks of instances, and PostgreSQL is away meanwhile: that must show all the same. */
export const CLOCK_FAULTS: Fault[] = [
  { direction: 'back', aheadMs: -JUMP_MS },
  { direction: 'forward', aheadMs: JUMP_MS },
].map(
  ({ direction, aheadMs }): Fault => ({
    ...(aheadMs > 0 && { isVariant: true }),
    name: `clocks jump 10 minutes ${direction} while PostgreSQL is away`,
    cases: ['F41'],
    shows: 'store',
    lastsMs: [1500, 3000],
    async inject({ cluster, load, violated }) {
      // Asked just before, so that an answer is kept which must not be given for ten minutes.
      await Promise.all(cluster.urls().map((url) => fetch(`${url}/readyz`)));
      await Promise.all(cluster.instances.map((instance) => instance.setClock(aheadMs)));
      for (const url of cluster.urls()) {
        const hasJumped = async () => isAhead(await load.send(url, 'clock', 0), aheadMs);
        if (!(await until(hasJumped, JUMPS_WITHIN_MS))) violated(`the clock of ${url} did not jump`);
      }
      cluster.postgresProxy.set('blackhole');
      return async () => {
        cluster.postgresProxy.set('pass');
        await Promise.all(cluster.instances.map((instance) => instance.setClock(0)));
      };
    },
  }),
);

/** Whether the time the event was given is nearer to that of the clock that was set than to the true one. */
function isAhead(acked: Acked | undefined, aheadMs: number): boolean {
  if (acked?.json === undefined) return false;
  const { timestamp } = JSON.parse(acked.json) as { timestamp: string };
  return Math.abs(Date.parse(timestamp) - Date.now() - aheadMs) < JUMP_MS / 2;
}
