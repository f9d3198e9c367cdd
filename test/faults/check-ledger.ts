import type { History, Place, TopicRecord } from './check-history.ts';

/** What the store has counted for a partition; `offset` is the next one to process. */
export type Account = Place &
  Record<
    'startOffset' | 'stored' | 'duplicates' | 'deadLettered' | 'withoutRecord' | 'lost' | 'rewound',
    number
  >;

/**
 * I4: what the store has counted for each partition against what was in it.
 *
 * @param unprocessed what retention deleted and nobody stored before
 */
export function unbalanced(history: History, unprocessed: readonly TopicRecord[]): string[] {
  const { positions, stored, uncounted = 0 } = history;
  const problems = positions.flatMap((account) =>
    checkAccount(account, history, unprocessed).map(
      (problem) => `I4 partition ${account.partition}${problem}`,
    ),
  );
  const counted = positions.reduce((sum, account) => sum + account.stored, uncounted);
  if (counted !== stored.length) problems.push(`I4 ${counted} counted as stored, ${stored.length} stored`);
  return problems;
}

function checkAccount(
  account: Account,
  { topic, deleted, rewritten = [], ends = [], rewound: again = [] }: History,
  unprocessed: readonly TopicRecord[],
): string[] {
  const problems: string[] = [];
  const { offset, startOffset, stored, duplicates, deadLettered, withoutRecord, lost, rewound } = account;
  const isHere = (one: Omit<Place, 'offset'>) =>
    one.topicId === account.topicId && one.partition === account.partition;
  const end = ends.find(isHere);
  if (end !== undefined && end.offset !== offset) problems.push(` is at ${offset} of ${end.offset}`);
  const expected = again
    .filter(isHere)
    .reduce<number | undefined>(
      (sum, { count }) => (sum === undefined || count === undefined ? undefined : sum + count),
      0,
    );
  // A claim books as rewound whatever is counted twice: it must not have been, but for what the log lost.
  if (expected !== undefined && rewound !== expected)
    problems.push(`: ${rewound} rewound instead of ${expected}`);
  const passed = offset - startOffset + rewound;
  const known = stored + duplicates + deadLettered + withoutRecord + lost;
  if (passed !== known) {
    problems.push(
      `: ${passed} passed, but ${stored} stored + ${duplicates} duplicates + ${deadLettered} dead-lettered + ${withoutRecord} without a record + ${lost} lost`,
    );
  }
  const reported = unprocessed.filter(isHere).length;
  if (lost !== reported) problems.push(`: ${reported} deleted, but ${lost} reported`);
  // What was read more than once is counted more than once: then the sum above has to do.
  const isReadOnce = rewound === 0 && !rewritten.some(isHere);
  // What retention deleted was there as well: an instance had some of it in its hands, the rest is counted as lost.
  const offsets = [...topic, ...deleted].flatMap((one) => (isHere(one) ? one.offset : []));
  const records = new Set(offsets.filter((one) => one >= startOffset)).size;
  if (isReadOnce && end !== undefined && known - withoutRecord !== records) {
    problems.push(`: ${records} records, but ${known - withoutRecord} accounted for`);
  }
  return problems;
}
