// In: a database. Out: whether Footfall's tables exist or could be created. Changes nothing.
import type { ClientBase } from 'pg';
import {
  checkLocks,
  inspect,
  refuseOtherDatabases,
  type SchemaOptions,
  type Standing,
  withAdvice,
} from './schema.ts';

/** @throws as `prepareSchema` would */
export async function inspectSchema(
  client: ClientBase,
  options: SchemaOptions,
): Promise<Pick<Standing, 'schema' | 'isComplete'>> {
  await refuseOtherDatabases(client);
  const { schema, isComplete, role } = await inspect(client, options);
  if (isComplete) await checkLocks(client, schema);
  else await checkRights(client, schema, role);
  return { schema, isComplete };
}

async function checkRights(client: ClientBase, schema: string, role: string): Promise<void> {
  const { rows } = await client.query<{ may: boolean }>("select has_schema_privilege($1, 'CREATE') as may", [
    schema,
  ]);
  // In PostgreSQL's own words.
  const refusal = Object.assign(new Error(`permission denied for schema ${schema}`), { code: '42501' });
  if (!rows[0]!.may) throw withAdvice(refusal, schema, role);
}
