import pg from 'pg';
import { vi } from 'vitest';

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
  const sent = vi.spyOn(pg.Client.prototype, 'query');
  try {
    await work();
    const calls = sent.mock.calls as unknown as [unknown, unknown[]?][];
    return calls.flatMap(([text, values]) =>
      typeof text === 'string' && values !== undefined ? [{ text, values }] : [],
    );
  } finally {
    sent.mockRestore();
  }
}

/** Carries it out once planned for its values, and once for any. */
export async function costsOf(client: pg.Client, { text, values }: Statement): Promise<Cost[]> {
  const costs: Cost[] = [];
  for (const mode of ['force_custom_plan', 'force_generic_plan']) {
    await client.query(`set plan_cache_mode = ${mode}; deallocate all; prepare explained as ${text}`);
    const execute = values.length === 0 ? 'explained' : `explained(${values.map(literal).join()})`;
    const { rows } = await client.query(`explain (analyze, buffers, format json) execute ${execute}`);
    costs.push(costOf(rows[0]['QUERY PLAN'][0].Plan));
  }
  return costs;
}

function costOf(root: PlanNode): Cost {
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
