type Order = 'asc' | 'desc';

/** Both ends inclusive; each has a value for every column. */
interface Ends {
  from: string;
  to: string;
}

/**
 * Rows in the order of one index from the start of a range; the caller leaves out those beyond its end. For
 * `column = value order by seq` the planner knows that the value is constant, and may scan all rows in the order of `seq`
 * until enough match: for a rare value, or one that was frequent long ago, that never happens. Ordered by both columns,
 * only the index fits, and the range starts at one place in it. Given both ends of the range, the planner would expect few
 * rows and sort them.
 */
export function inIndex(columns: readonly string[], order: Order, { from, to }: Ends): string {
  const begins = order === 'asc' ? `>= (${from})` : `<= (${to})`;
  const inOrder = columns.map((column) => `${column} ${order}`);
  return `where (${columns.join()}) ${begins} order by ${inOrder.join()}`;
}
