// Loaded before the service (`node --import`), never by it: changes its source as it is loaded, in memory only, blocks
// its event loop when told to, and sets its wall clock.
import { readFileSync } from 'node:fs';
import { changeSources, toChange } from './changed-sources.ts';
import { dyingAt } from './crash-points.ts';
import { MUTATIONS } from './mutations.ts';
import { inNextRelease } from './next-release.ts';

/** How long SIGURG blocks the event loop. */
const BLOCKED_MS = 13_000;

const mutation = MUTATIONS[process.env.FOOTFALL_MUTATION ?? '']?.changes ?? [];
const migrations = process.env.FOOTFALL_MIGRATIONS ?? '';
const release = migrations === '' ? [] : [inNextRelease(migrations)];
const crashPoint = process.env.FOOTFALL_DIES_AT ?? '';

const dying = { file: crashPoint.split(':')[0]!, apply: (source: string) => dyingAt(source, crashPoint) };
changeSources([...(crashPoint === '' ? [] : [dying]), ...[...mutation, ...release].map(toChange)]);

const SystemDate = Date;
let aheadMs = 0;
const now = () => SystemDate.now() + aheadMs;
globalThis.Date = new Proxy(SystemDate, {
  get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
  construct: (target, given, newTarget) =>
    Reflect.construct(target, given.length === 0 ? [now()] : given, newTarget),
});

process.on('SIGURG', () => {
  const end = performance.now() + BLOCKED_MS;
  while (performance.now() < end);
});

process.on('SIGWINCH', () => {
  aheadMs = Number(readFileSync(process.env.FOOTFALL_CLOCK_FILE!, 'utf8'));
});
