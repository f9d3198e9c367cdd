// Loaded before the service (`node --import`), never by it: changes its source as it is loaded, in memory only, and
// blocks its event loop when told to.
import { changeSources, toChange } from './changed-sources.ts';
import { dyingAt } from './crash-points.ts';
import { MUTATIONS } from './mutations.ts';

/** How long SIGURG blocks the event loop. */
const BLOCKED_MS = 13_000;

const mutation = MUTATIONS[process.env.FOOTFALL_MUTATION ?? ''] ?? [];
const crashPoint = process.env.FOOTFALL_DIES_AT ?? '';

const dying = { file: crashPoint.split(':')[0]!, apply: (source: string) => dyingAt(source, crashPoint) };
changeSources([...(crashPoint === '' ? [] : [dying]), ...mutation.map(toChange)]);

process.on('SIGURG', () => {
  const end = Date.now() + BLOCKED_MS;
  while (Date.now() < end);
});
