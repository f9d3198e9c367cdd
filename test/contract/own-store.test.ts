import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { JournalStore } from '../../examples/own-store/journal-store.ts';
import { readAll } from '../../src/query/event-query.ts';
import { newBatch, newEvent, TOPIC } from '../support/store-batches.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { eventStoreContract } from './event-store.contract.ts';

describe('the example of a store of one’s own', () => {
  eventStoreContract(
    async () => {
      const store = await JournalStore.open(join(await tempFolder(), 'journal.jsonl'));
      onTestFinished(() => store.close());
      return { store, second: async () => store };
    },
    { durable: false },
  );

  it('has everything again when its file is opened again', async () => {
    const path = join(await tempFolder(), 'journal.jsonl');
    const before = await JournalStore.open(path);
    await before.claim(TOPIC, [0]);
    await before.process([newBatch([newEvent({ json: '{"a":1}' })])]);
    await before.close();
    const after = await JournalStore.open(path);
    expect((await Array.fromAsync(readAll(after))).flat()).toEqual([{ sequence: 1, json: '{"a":1}' }]);
    expect(await after.positions(TOPIC.group, TOPIC.topic)).toMatchObject([
      { epoch: 1, offset: 1, stored: 1 },
    ]);
    expect(await after.claim(TOPIC, [0])).toMatchObject([{ epoch: 2, offset: 1 }]);
    await after.close();
  });
});
