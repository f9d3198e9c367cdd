// Loaded before the service (`node --import`): takes one guarantee out of its source, in memory only, so that the
// history checker can show that it would notice.
import { registerHooks } from 'node:module';

interface Mutation {
  file: string;
  from: string;
  to: string;
}

/** What is taken out, by name. */
export const MUTATIONS: Record<string, Mutation[]> = {
  'commit before store': [
    {
      file: 'src/consumer.ts',
      from: `    await this.#options.processor.process(
      { ...batch, records },
      { epoch, fromOffset: stored, firstOffset: next },
    );`,
      to: `    await this.#options.processor.process({ ...batch, records: [] }, { epoch, fromOffset: stored, firstOffset: next });
    await new Promise((resolve) => setTimeout(resolve, 300));
    const firstOffset = batch.nextOffset - records.length;
    await this.#options.processor.process({ ...batch, records }, { epoch, fromOffset: batch.nextOffset, firstOffset });`,
    },
  ],
  'no fencing': [
    {
      file: 'src/store/postgres-store.ts',
      from: 'and epoch = $5 and next_offset is not distinct from $6',
      to: 'and $5::bigint is not null and ($6::bigint is null or true)',
    },
    // Takes no guarantee away, only time: so that an instance is always frozen with a batch in its hands.
    {
      file: 'src/processor.ts',
      from: 'const { stored } = await store.process({',
      to: `await new Promise((resolve) => setTimeout(resolve, 200));
    const { stored } = await store.process({`,
    },
  ],
  'no position in the transaction': [
    { file: 'src/store/postgres-store.ts', from: 'next_offset = $7,', to: 'next_offset = coalesce($6, $7),' },
  ],
};

const mutation = MUTATIONS[process.env.FOOTFALL_MUTATION ?? ''];
if (mutation) {
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const changes = mutation.filter(({ file }) => url.endsWith(`/${file}`));
      if (changes.length === 0) return loaded;
      let source = String(loaded.source);
      for (const { from, to, file } of changes) {
        if (!source.includes(from)) throw new Error(`the mutation no longer fits ${file}`);
        source = source.replace(from, () => to);
      }
      return { ...loaded, source };
    },
  });
}
