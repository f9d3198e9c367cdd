// A thread that simulates. Its source is changed as it is loaded, in memory only, where a mutation is asked for.
import { parentPort, workerData } from 'node:worker_threads';
import { changeSources, toChange } from '../faults/changed-sources.ts';
import { MUTATIONS } from './mutations.ts';
import type { Task } from './tasks.ts';

const task = workerData as Task;
const name = task.is === 'campaign' ? task.mutation : undefined;
if (name !== undefined) changeSources(MUTATIONS[name]!.map(toChange));

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
