// In: a database. Out: whether Footfall's tables exist or could be created. Changes nothing.
import type { ClientBase } from 'pg';
import { isAtWork } from './index-builds.ts';
import {
  checkLocks,
  refuseOtherDatabases,
  refuseToMigrate,
  type SchemaOptions,
  withAdvice,
} from './schema.ts';
import { inspect, type UnbuiltIndex } from './standing.ts';

export interface Inspection {
  schema: string;
  isComplete: boolean;
  /** For people. */
  found: string;
}

/** @throws as `prepareSchema` would */
export async function inspectSchema(client: ClientBase, options: SchemaOptions): Promise<Inspection> {
  await refuseOtherDatabases(client);
  const standing = await inspect(client, options.searchPath);
  const { schema, isComplete, role, applied, pending, newer, unbuilt } = standing;
  if (!isComplete) {
    refuseToMigrate(standing, options);
    await checkRights(client, schema, role);
    const changes =
      pending.length > 0 ? pending.join(', ') : 'the list of migrations moves from schema public';
    const state =
      applied.length === 0
        ? 'its tables are missing, and made at the start'
        : `its tables are of an earlier version, and changed at the start (${changes})`;
    return { schema, isComplete, found: `schema ${schema}: ${state}` };
  }
  await checkLocks(client, schema);
  const notes =
    newer.length > 0 ? [`of a newer Footfall, beside which this one works (${newer.join(', ')})`] : [];
  return {
    schema,
    isComplete,
    found: [`tables in schema ${schema}`, ...notes, ...(await describeUnbuilt(client, unbuilt))].join('; '),
  };
}

/** What is said of indexes that are to be built, one sentence each. */
export async function describeUnbuilt(
  client: ClientBase,
  indexes: readonly UnbuiltIndex[],
): Promise<string[]> {
  const sentences: string[] = [];
  for (const index of indexes) {
    const { name, isInvalid } = index;
    const isBuilt = isInvalid && (await isAtWork(client, index));
    const state = isBuilt ? 'being built' : isInvalid ? 'INVALID' : 'missing';
    const remedy = isBuilt
      ? ''
      : ': "footfall migrate" builds it, or the service itself, unless DATABASE_MIGRATE=off';
    sentences.push(`index ${name} is ${state}, and what reads by it is slow${remedy}`);
  }
  return sentences;
}

async function checkRights(client: ClientBase, schema: string, role: string): Promise<void> {
  const { rows } = await client.query<{ may: boolean }>("select has_schema_privilege($1, 'CREATE') as may", [
    schema,
  ]);
  // In PostgreSQL's own words.
  const refusal = Object.assign(new Error(`permission denied for schema ${schema}`), { code: '42501' });
  if (!rows[0]!.may) throw withAdvice(refusal, schema, role);
}
