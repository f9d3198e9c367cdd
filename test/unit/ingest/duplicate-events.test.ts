import { describe, expect, it } from 'vitest';
import { DuplicateEvents } from '../../../src/ingest/duplicate-events.ts';

const receivedAt = new Date('2026-01-02T03:04:05Z');
const clock = { date: () => receivedAt };
const one = (eventId: string) => ({ eventId, userId: 'ada', eventType: 'LOGIN' });
const many = (count: number) => Array.from({ length: count }, (_, at) => one(`e${at}`));

describe('the duplicates of a process', () => {
  it('are listed newest first, with where they were found, and from an id on in both directions', () => {
    const duplicates = new DuplicateEvents(clock);
    duplicates.add('intake', [{ ...one('a'), caller: 'shop' }]);
    duplicates.add('processing', [one('b'), one('c')]);
    expect(duplicates.list({ limit: 9 })).toEqual([
      { ...one('c'), id: 3, receivedAt, foundAt: 'processing', caller: undefined },
      { ...one('b'), id: 2, receivedAt, foundAt: 'processing', caller: undefined },
      { ...one('a'), id: 1, receivedAt, foundAt: 'intake', caller: 'shop' },
    ]);
    expect(duplicates.list({ limit: 1 }).map(({ id }) => id)).toEqual([3]);
    expect(duplicates.list({ limit: 9, before: 3 }).map(({ id }) => id)).toEqual([2, 1]);
    expect(duplicates.list({ limit: 9, after: 2 }).map(({ id }) => id)).toEqual([3]);
  });

  it('are the latest thousand, and those that are gone keep their numbers', () => {
    const duplicates = new DuplicateEvents(clock);
    duplicates.add('intake', many(1700));
    for (const event of many(600)) duplicates.add('intake', [event]);
    const kept = duplicates.list({ limit: 5000 });
    expect([kept.length, kept[0]!.id, kept.at(-1)!.id]).toEqual([1000, 2300, 1301]);
    duplicates.add('processing', many(2500));
    expect(duplicates.list({ limit: 5000 }).map(({ id }) => id)[999]).toBe(3801);
  });
});
