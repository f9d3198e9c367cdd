// In: a payload or its schema. Out: the properties it has, by the names with which filters reach them.
import type { Catalog } from './catalog.ts';
import { MAX_ID_LENGTH } from './storable.ts';

/** Those with a value of their own, or a list: `device`, `cart.price`. Names with dots have no path that leads to them. */
export function* propertiesOf(payload: unknown): Generator<string> {
  yield* paths(payload, membersOf);
}

/** Those that the schemas of the catalog name, each once. */
export function catalogProperties(catalog: Catalog): string[] {
  const schemas = catalog.describe().flatMap(({ versions }) => versions.map(({ schema }) => schema));
  return [...new Set(schemas.flatMap((schema) => [...paths(schema, describedBy)]))];
}

type Members = (value: unknown) => object | undefined;

function* paths(value: unknown, membersIn: Members, above = ''): Generator<string> {
  for (const [name, member] of Object.entries(membersIn(value) ?? {})) {
    if (name === '' || name.includes('.')) continue;
    // No filter reaches it. Texts of some thousand characters each would also take all memory.
    if (above.length + name.length > MAX_ID_LENGTH) continue;
    if (membersIn(member) === undefined) yield above + name;
    else yield* paths(member, membersIn, `${above}${name}.`);
  }
}

function membersOf(value: unknown): object | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
}

function describedBy(schema: unknown): object | undefined {
  return membersOf((membersOf(schema) as { properties?: unknown } | undefined)?.properties);
}
