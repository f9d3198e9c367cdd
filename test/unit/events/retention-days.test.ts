import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ApiError } from '../../../src/errors.ts';
import { Catalog } from '../../../src/events/catalog.ts';
import { readNewEvent } from '../../../src/events/event.ts';
import { RetentionDays } from '../../../src/events/retention-days.ts';
import { DAY_MS } from '../../../src/store/event-store.ts';
import { tempFolder } from '../../support/temp-folder.ts';

/** The 20th day since 1970, at noon. */
const NOON = 20.5 * DAY_MS;

function clockAt(time: number) {
  const clock = { wall: time, monotonic: 1000 };
  return { clock, date: () => new Date(clock.wall), now: () => clock.monotonic };
}

async function catalogWith(schema: object, retentionDays?: number): Promise<Catalog> {
  const folder = await tempFolder();
  await writeFile(join(folder, 'AUDIT.1.json'), JSON.stringify(schema));
  return new Catalog({ folder, retentionDays, clock: clockAt(NOON) });
}

describe('retention', () => {
  it('is of the catalog for types that say so, and of the setting for all others', async () => {
    const catalog = await catalogWith({ 'x-retention-days': 400 }, 7);
    expect(['AUDIT', 'LOGIN'].map((type) => catalog.retention.of(type))).toEqual([400, 7]);
    expect(catalog.describe().find(({ eventType }) => eventType === 'AUDIT')).toMatchObject({
      retentionDays: 400,
    });
    const { retention } = await catalogWith({ 'x-retention-days': 400 });
    expect([retention.isOn, retention.of('AUDIT'), retention.of('LOGIN')]).toEqual([true, 400, undefined]);
    expect(new Catalog().retention.isOn).toBe(false);
  });

  it.each([0, 1.5, -3, 36_501, '7'])('is not %j days', async (days) => {
    await expect(catalogWith({ 'x-retention-days': days })).rejects.toThrow(/x-retention-days/);
  });

  it('goes by the time that has passed, and not by a clock that is set', () => {
    const { clock, ...times } = clockAt(NOON);
    const days = new RetentionDays({ overall: 1, clock: times });
    expect(days.today).toBe(20);
    clock.wall += 365 * DAY_MS;
    expect(days.today).toBe(20);
    clock.monotonic += DAY_MS / 2;
    expect(days.today).toBe(21);
  });
});

it('goes on by what was removed before, whatever the setting says now', () => {
  const days = new RetentionDays({ overall: 15, clock: clockAt(NOON) });
  const old = { eventType: 'LOGIN', timestamp: '1970-01-11T00:00:00Z' };
  expect(days.ageErrors(old)).toEqual([]);
  days.learn((eventType) => (eventType === 'AUDIT' ? 3 : 12));
  expect(days.ageErrors(old)).toHaveLength(1);
  expect(days.ageErrors({ ...old, eventType: 'AUDIT' })).toEqual([]);
  const off = new RetentionDays({ clock: clockAt(NOON) });
  expect(off.mayHaveRemoved).toBe(false);
  off.learn(() => 12);
  expect([off.mayHaveRemoved, off.ageErrors(old).length]).toEqual([true, 1]);
});

describe('a new event', () => {
  const read = (fields: object, catalog: Catalog) => {
    const all = { userId: 'u', eventType: 'LOGIN', ...fields };
    try {
      readNewEvent({ text: JSON.stringify(all), fields: all }, catalog, { acceptsTimestamp: true });
      return [];
    } catch (error) {
      return (error as ApiError).details;
    }
  };
  const catalog = new Catalog({ retentionDays: 3, clock: clockAt(NOON) });

  it('is refused if it would not be kept, and says from which day one is', () => {
    expect(read({ timestamp: '1970-01-17T23:59:59.999Z' }, catalog)).toEqual([
      'timestamp must not be before 1970-01-18: older LOGIN events are not kept',
    ]);
    expect(read({ timestamp: '1970-01-18T00:00:00Z' }, catalog)).toEqual([]);
    expect(read({}, catalog)).toEqual([]);
    expect(read({ timestamp: '1970-01-01T00:00:00Z' }, new Catalog())).toEqual([]);
  });

  it('is refused if its id shows that it is older, whatever its time', () => {
    const idOf = (ms: number, version = 7) => {
      const hex = ms.toString(16).padStart(12, '0');
      return `${hex.slice(0, 8)}-${hex.slice(8)}-${version}000-8000-000000000000`;
    };
    expect(read({ eventId: idOf(17 * DAY_MS - 1) }, catalog)).toEqual([
      'eventId was made before 1970-01-18, by the time in it: older LOGIN events are not kept',
    ]);
    expect(read({ eventId: idOf(17 * DAY_MS) }, catalog)).toEqual([]);
    expect(read({ eventId: idOf(0, 4) }, catalog)).toEqual([]);
  });

  it('is told what else is wrong with it first', () => {
    expect(read({ userId: '', timestamp: '1970-01-02T00:00:00Z' }, catalog)).toEqual([
      'userId is required and must be a string',
    ]);
  });
});
