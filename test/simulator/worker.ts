// A thread that simulates. Its source is changed as it is loaded, in memory only, where a mutation is asked for.
import { registerHooks } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import { mutated } from '../faults/mutated.ts';
import { MUTATIONS } from './mutations.ts';
import type { Task } from './tasks.ts';

const task = workerData as Task;
const name = task.is === 'campaign' ? task.mutation : undefined;
const changes = name === undefined ? [] : MUTATIONS[name]!;
if (changes.length > 0) {
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const own = changes.filter(({ file }) => url.endsWith(`/${file}`));
      return own.length === 0 ? loaded : { ...loaded, source: own.reduce(mutated, String(loaded.source)) };
    },
  });
}

let isStopped = false;
parentPort!.on('message', () => {
  isStopped = true;
});
const [{ forbidTheRealWorld }, { carryOutTask }] = await Promise.all([
  import('./guards.ts'),
  import('./tasks.ts'),
]);
forbidTheRealWorld();
await carryOutTask(
  task,
  (report) => parentPort!.postMessage(report),
  () => !isStopped,
);
parentPort!.close();
