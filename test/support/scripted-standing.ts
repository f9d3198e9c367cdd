import type { ClientBase } from 'pg';
import { MIGRATIONS, made } from '../../src/store/postgres/migration-files.ts';

interface AppliedRow {
  name: string;
  compatibleFrom: string | null;
  bars: boolean;
}

/** What is found in a database, by the three statements that ask for it. */
export interface Found {
  schema: string | null;
  searchPath: string;
  role: string;
  isReplica: boolean;
  statementTimeout: string;
  tables: string[];
  hasBookkeeping: boolean;
  others: string[];
  isSplit: boolean;
  applied: AppliedRow[];
  indexes: { name: string; isValid: boolean }[];
}

/** All that this release makes. */
export const COMPLETE: Found = {
  schema: 'public',
  searchPath: 'public',
  role: 'somebody',
  isReplica: false,
  statementTimeout: '25s',
  tables: made(MIGRATIONS).tables,
  hasBookkeeping: true,
  others: [],
  isSplit: false,
  applied: MIGRATIONS.map(({ name, compatibleFrom }) => ({ name, compatibleFrom, bars: false })),
  indexes: made(MIGRATIONS).indexes.map(({ name }) => ({ name, isValid: true })),
};

/** Answers for a database whose tables are looked at, and keeps what it was asked. */
export function standingClient(find: () => Partial<Found> = () => ({})) {
  const asked: string[] = [];
  const query = async (text: string) => {
    asked.push(text);
    const { applied, indexes, ...state } = { ...COMPLETE, ...find() };
    if (text.includes('as "isSplit"')) return { rows: [state] };
    if (text.includes('as bars')) return { rows: applied };
    if (text.includes('indisvalid')) return { rows: indexes };
    return { rows: [] };
  };
  return {
    client: { query, end: async () => {} } as unknown as ClientBase & { end(): Promise<void> },
    asked,
  };
}
