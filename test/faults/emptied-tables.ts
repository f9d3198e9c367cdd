import type { Cluster } from './cluster.ts';

interface Emptying {
  what: string;
  /** As of `Fault`. */
  isVariant?: true;
  run(cluster: Cluster): Promise<void>;
}

function losingEvents(what: string, sql: string): Emptying {
  return {
    what,
    async run(cluster) {
      await cluster.query(sql);
      cluster.past.storeWasEmptied('events');
      cluster.past.uncounted = 0;
    },
  };
}

const EVERY_TABLE =
  'events, positions, dead_letters, counted_up_to, pending_values, event_counts, value_counts, distinct_counts, known_values';

/** What people empty by hand, or a script by mistake. */
export const EMPTYINGS: Emptying[] = [
  losingEvents('events', 'truncate events'),
  { ...losingEvents('events and positions', 'truncate events, positions'), isVariant: true },
  { ...losingEvents('everything', `truncate ${EVERY_TABLE}`), isVariant: true },
  losingEvents('everything, with numbers from 1 on', `truncate ${EVERY_TABLE} restart identity`),
  {
    what: 'positions',
    async run(cluster) {
      const [row] = await cluster.query<{ stored: string }>(
        'with gone as (delete from positions returning stored) select coalesce(sum(stored), 0) as stored from gone',
      );
      cluster.past.storeWasEmptied('positions');
      cluster.past.uncounted += Number(row!.stored);
    },
  },
];
