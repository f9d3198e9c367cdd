// What PostgreSQL does for the statements that a store sends.
import pg from 'pg';

/** A statement as the store sends it. */
export interface Statement {
  text: string;
  values: unknown[];
}

/** What carrying out a statement took. */
export interface Cost {
  /** Read from tables, or from indexes instead of them. */
  rows: number;
  /** Read and thrown away. */
  removed: number;
  buffers: number;
  ms: number;
}

interface PlanNode {
  'Node Type': string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
  Plans?: PlanNode[];
}

/** @returns the statements with values that are sent to PostgreSQL meanwhile */
export async function statementsOf(work: () => Promise<unknown>): Promise<Statement[]> {
  const sent: Statement[] = [];
  const { query } = pg.Client.prototype;
  pg.Client.prototype.query = function (this: pg.Client, ...given: unknown[]) {
    const [text, values] = given;
    if (typeof text === 'string' && Array.isArray(values)) sent.push({ text, values });
    return Reflect.apply(query, this, given);
  } as typeof query;
  try {
    await work();
    return sent;
  } finally {
    pg.Client.prototype.query = query;
  }
}

/** Those that read. */
export function readingStatements(statements: readonly Statement[]): Statement[] {
  return statements.filter(({ text }) => /^\s*(\(?select|with found)/.test(text));
}

/** Carries it out once planned for its values, and once for any. */
export async function costsOf(client: pg.Client, { text, values }: Statement): Promise<Cost[]> {
  const costs: Cost[] = [];
  for (const mode of ['force_custom_plan', 'force_generic_plan']) {
    await client.query(`set plan_cache_mode = ${mode}; deallocate all; prepare explained as ${text}`);
    const execute = values.length === 0 ? 'explained' : `explained(${values.map(literal).join()})`;
    const { rows } = await client.query(`explain (analyze, buffers, format json) execute ${execute}`);
    const [{ Plan, 'Execution Time': ms }] = rows[0]['QUERY PLAN'];
    costs.push({ ...costOf(Plan), ms });
  }
  return costs;
}

function costOf(root: PlanNode): Omit<Cost, 'ms'> {
  const nodes = flat(root);
  const sum = (of: (node: PlanNode) => number) => nodes.reduce((total, node) => total + of(node), 0);
  const isScan = (node: PlanNode) => /^(Seq|Index|Index Only|Bitmap Heap) Scan$/.test(node['Node Type']);
  return {
    rows: sum((node) => (isScan(node) ? node['Actual Rows'] * node['Actual Loops'] : 0)),
    removed: sum(
      (node) =>
        ((node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)) *
        node['Actual Loops'],
    ),
    buffers: root['Shared Hit Blocks'] + root['Shared Read Blocks'],
  };
}

function flat(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(flat)];
}

function literal(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (!Array.isArray(value)) return pg.escapeLiteral(String(value));
  return pg.escapeLiteral(`{${value.map((one) => JSON.stringify(one)).join()}}`);
}
