// Loaded before the service (`node --import`), never by it: changes its source as it is loaded, in memory only, and
// blocks its event loop when told to.
import { registerHooks } from 'node:module';
import { dyingAt } from './crash-points.ts';
import { mutated } from './mutated.ts';
import { MUTATIONS } from './mutations.ts';

/** How long SIGURG blocks the event loop. */
const BLOCKED_MS = 13_000;

const mutation = MUTATIONS[process.env.FOOTFALL_MUTATION ?? ''] ?? [];
const crashPoint = process.env.FOOTFALL_DIES_AT ?? '';

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const changes = mutation.filter(({ file }) => url.endsWith(`/${file}`));
    const dies = crashPoint !== '' && url.endsWith(`/${crashPoint.split(':')[0]}`);
    if (changes.length === 0 && !dies) return loaded;
    const source = String(loaded.source);
    return { ...loaded, source: changes.reduce(mutated, dies ? dyingAt(source, crashPoint) : source) };
  },
});

process.on('SIGURG', () => {
  const end = Date.now() + BLOCKED_MS;
  while (Date.now() < end);
});
