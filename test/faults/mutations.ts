export interface Mutation {
  file: string;
  from: string;
  to: string;
}

/**
 * Guarantees that can be taken out of the source as it is loaded, in memory only, so that the history checker can show
 * that it would notice.
 */
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
      file: 'src/store/postgres-process.ts',
      from: 'and epoch = $5 and next_offset is not distinct from $6',
      to: 'and $5::bigint is not null and ($6::bigint is null or true)',
    },
    // Takes no guarantee away, only time: so that an instance is always frozen with a batch in its hands.
    {
      file: 'src/processor.ts',
      from: 'const { stored, conflicts } = await store.process({',
      to: `await new Promise((resolve) => setTimeout(resolve, 200));
    const { stored, conflicts } = await store.process({`,
    },
  ],
  'no position in the transaction': [
    {
      file: 'src/store/postgres-process.ts',
      from: 'next_offset = $7,',
      to: 'next_offset = coalesce($6, $7),',
    },
  ],
};
