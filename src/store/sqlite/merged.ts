/** Merges sorted sources. */
export function* merged<Row>(
  sources: readonly Iterator<Row>[],
  isBefore: (a: Row, b: Row) => boolean,
): Generator<Row> {
  try {
    const heads = sources.map((source) => ({ source, row: nextRow(source) }));
    for (;;) {
      let first: (typeof heads)[number] | undefined;
      for (const head of heads) {
        if (head.row && (first?.row === undefined || isBefore(head.row, first.row))) first = head;
      }
      if (first?.row === undefined) return;
      yield first.row;
      first.row = nextRow(first.source);
    }
  } finally {
    // A statement that has not finished holds its snapshot of the file, and the write-ahead log grows.
    for (const source of sources) source.return!();
  }
}

function nextRow<Row>(rows: Iterator<Row>): Row | undefined {
  const { done, value } = rows.next();
  return done ? undefined : value;
}
