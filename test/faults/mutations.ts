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
      from: 'await this.#options.processor.process(placed);',
      to: `await this.#options.processor.process(
      placed.map((one) => ({ ...one, batch: { ...one.batch, records: [] } })),
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    await this.#options.processor.process(
      placed.map((one) => {
        const { nextOffset, records } = one.batch;
        return { ...one, fromOffset: nextOffset, firstOffset: nextOffset - records.length };
      }),
    );`,
    },
  ],
  'no fencing': [
    {
      file: 'src/store/postgres-process.ts',
      from: 'and p.epoch = b.epoch and p.next_offset is not distinct from b.from_offset',
      to: '',
    },
    // Takes no guarantee away, only time: so that an instance is always frozen with a batch in its hands.
    {
      file: 'src/processor.ts',
      from: 'const { stored, conflicts } = await store.process(',
      to: `await new Promise((resolve) => setTimeout(resolve, 200));
    const { stored, conflicts } = await store.process(`,
    },
  ],
  'no position in the transaction': [
    {
      file: 'src/store/postgres-process.ts',
      from: 'next_offset = b.next_offset,',
      to: 'next_offset = coalesce(b.from_offset, b.next_offset),',
    },
  ],
};
