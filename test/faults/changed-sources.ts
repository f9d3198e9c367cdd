import type { Mutation } from './mutations.ts';

/** The source of a file with a mutation. @throws when it no longer fits */
export function mutated(source: string, { from, to, file }: Mutation): string {
  if (!source.includes(from)) throw new Error(`the mutation no longer fits ${file}`);
  return source.replace(from, () => to);
}
