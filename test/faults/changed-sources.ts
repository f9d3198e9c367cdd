import { registerHooks } from 'node:module';
import type { Mutation } from './mutations.ts';

/** A change of one file's source. */
export interface Change {
  /** As in `Mutation`. */
  file: string;
  apply(source: string): string;
}

/** Changes sources as they are loaded from now on, in memory only. */
export function changeSources(changes: readonly Change[]): void {
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const own = changes.filter(({ file }) => url.endsWith(`/${file}`));
      if (own.length === 0) return loaded;
      return { ...loaded, source: own.reduce((source, { apply }) => apply(source), String(loaded.source)) };
    },
  });
}

/** @throws as it is applied, when it no longer fits */
export function toChange({ file, from, to }: Mutation): Change {
  return {
    file,
    apply(source) {
      if (!source.includes(from)) throw new Error(`the mutation no longer fits ${file}`);
      return source.replace(from, () => to);
    },
  };
}
