// The table `kept_from` of the SQL stores: the first day that is kept of each type, and of all that have no row of their own.
import { ALL_DAYS, type KeptDays } from './event-store.ts';

interface KeptFromRow {
  eventType: string;
  day: number;
}

/** The type of the row for all that have none. */
export const OTHERS = '';
export const KEPT_FROM = 'select event_type as "eventType", first_day as day from kept_from order by 1';

export function toKeptDays(rows: readonly KeptFromRow[]): KeptDays {
  const others = rows.find(({ eventType }) => eventType === OTHERS)?.day ?? ALL_DAYS;
  const types = rows.filter(({ eventType }) => eventType !== OTHERS);
  return { others, types: types.map(({ eventType, day }) => ({ eventType, day })) };
}

export function toRows({ others, types }: KeptDays): KeptFromRow[] {
  return [{ eventType: OTHERS, day: others }, ...types];
}
