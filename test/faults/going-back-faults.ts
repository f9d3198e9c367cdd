import { setTimeout as sleep } from 'node:timers/promises';
import type { Place, TopicRecord } from './check-history.ts';
import type { Account } from './check-ledger.ts';
import type { Cluster } from './cluster.ts';
import { copyKafka, copyPostgres } from './copies.ts';
import { EMPTYINGS } from './emptied-tables.ts';
import { type Fault, nothingToHeal, until } from './fault.ts';
import { isSamePartition } from './past.ts';
import { passedRecords, presentPositions, readEnds, readTopic, untilCaughtUp } from './read-history.ts';
import { killLosingCommits, loseCommits } from './relaxed-durability.ts';

/** How soon, with nothing coming in, the store must have again what it had. */
const CATCHES_UP_WITHIN_MS = 30_000;
/** Reading all of a topic once more takes its time. */
const READS_AGAIN_WITHIN_MS = 60_000;

/** So much is processed before the data is put back, so that there is something to lose. */
const LOSES_RECORDS = 200;

/** Waits until records have been processed that are not in the copy. */
async function untilMoreIsProcessed(cluster: Cluster, violated: (what: string) => void): Promise<void> {
  const before = await passedRecords(cluster);
  const isMore = async () => (await passedRecords(cluster)) >= before + LOSES_RECORDS;
  if (!(await until(isMore, CATCHES_UP_WITHIN_MS))) violated('I7 nothing more is processed');
}

async function countStored(cluster: Cluster): Promise<number> {
  const [row] = await cluster.query<{ events: string }>('select count(*) as events from events');
  return Number(row!.events);
}

/** Databases and logs that stand where they once stood, under services that run. */
export const GOING_BACK_FAULTS: Fault[] = [
  {
    name: 'the database is restored to an earlier state',
    cases: ['F34'],
    lastsMs: [2000, 4000],
    async inject({ cluster, violated }) {
      const copy = await copyPostgres(cluster);
      await untilMoreIsProcessed(cluster, violated);
      return () => copy.restore();
    },
  },
  {
    name: 'the database is restored while nothing comes in',
    cases: ['F34'],
    lastsMs: [1000, 3000],
    async inject({ cluster, load, violated }) {
      const copy = await copyPostgres(cluster);
      await untilMoreIsProcessed(cluster, violated);
      return async () => {
        await load.pause();
        await untilCaughtUp(cluster, violated);
        const before = await countStored(cluster);
        await copy.restore();
        const isBack = async () => (await countStored(cluster)) === before;
        if (!(await until(isBack, CATCHES_UP_WITHIN_MS)))
          violated(`I7 with nothing coming in, ${before} events are not stored again`);
        load.resume();
      };
    },
  },
  {
    name: 'PostgreSQL loses its last commits in a crash',
    cases: ['F35'],
    lastsMs: [1500, 3000],
    async inject({ cluster, say, violated }) {
      await loseCommits(cluster);
      return async () => {
        const lost = await killLosingCommits(cluster);
        if (lost <= 0) violated('no commit was lost: the fault shows nothing');
        say(`  ${lost} records had been passed in what was lost`);
      };
    },
  },
  ...EMPTYINGS.map(
    ({ what, run, ...others }): Fault => ({
      ...others,
      name: `tables are emptied: ${what}`,
      cases: ['F36'],
      lastsMs: [0, 0],
      recoversWithinMs: READS_AGAIN_WITHIN_MS,
      async inject({ cluster }) {
        await run(cluster);
        return nothingToHeal;
      },
    }),
  ),
  {
    name: 'Kafka is restored to an earlier state and written to',
    cases: ['F9'],
    lastsMs: [2000, 4000],
    async inject({ cluster, load, violated, say }) {
      const copy = await copyKafka(cluster);
      await untilMoreIsProcessed(cluster, violated);
      return async () => {
        // Some of what is lost is not processed: nobody but its client knows that it was there.
        cluster.postgresProxy.set('blackhole');
        await cluster.terminateBackends();
        await sleep(1000);
        await load.pause();
        const before = await readTopic(cluster);
        const positions = await presentPositions(cluster);
        await copy.restore();
        const ends = await readEnds(cluster);
        const lost = before.filter(
          (record) => record.offset >= (ends.find((end) => isSamePartition(end, record))?.offset ?? 0),
        );
        load.resume();
        cluster.postgresProxy.set('pass');
        const said = await whatWasRewound(cluster, positions, ends);
        if (said.length === 0) violated('nothing that was processed was lost: the fault shows nothing');
        for (const { partition, from } of said)
          say(`  partition ${partition} had been processed up to ${from}`);
        sortLost(cluster, lost, said, violated);
      };
    },
  },
];

/** What an instance said of a partition: it had been processed up to `from`, and is read again from `to`. */
interface Rewound {
  topicId: string;
  partition: number;
  from: number;
  /** What the ledger has booked as passed again. */
  booked: number;
  /** What the instances have said in their logs. */
  said: { from: number; to: number }[];
  end: number;
}

/** Waits until the ledger has booked what is gone in each partition of which something was processed. */
async function whatWasRewound(
  cluster: Cluster,
  before: readonly Account[],
  ends: readonly Place[],
): Promise<Rewound[]> {
  const affected = before.filter(
    (account) => account.offset > (ends.find((end) => isSamePartition(end, account))?.offset ?? 0),
  );
  const bookedOf = async (account: Account) => {
    const now = (await presentPositions(cluster)).find((one) => isSamePartition(one, account));
    return (now?.rewound ?? 0) - account.rewound;
  };
  await until(async () => {
    const booked = await Promise.all(affected.map(bookedOf));
    return booked.every((count) => count > 0);
  }, CATCHES_UP_WITHIN_MS);
  return Promise.all(
    affected.map(async (account) => {
      const { topicId, partition } = account;
      const booked = await bookedOf(account);
      const said = (await saidToHaveGoneBack(cluster)).filter((one) => one.partition === partition);
      const from = said.findLast((one) => one.from - one.to === booked)?.from ?? account.offset;
      const end = ends.find((one) => isSamePartition(one, account))?.offset ?? 0;
      return { topicId, partition, from, booked, said, end };
    }),
  );
}

interface SaidRewind {
  partition: number;
  from: number;
  to: number;
}

async function saidToHaveGoneBack({ instances }: Cluster): Promise<SaidRewind[]> {
  const lines = (await Promise.all(instances.map((instance) => instance.logLines()))).flat();
  return lines
    .filter((line) => line.includes('The log went back in time'))
    .map((line) => {
      const { partition, processed, readingFrom } = JSON.parse(line) as Record<string, number>;
      return { partition: partition!, from: processed!, to: readingFrom! };
    });
}

/** Lost with the log: what the service says it had processed is stored, and nothing else of it. */
function sortLost(
  { past }: Cluster,
  lost: readonly TopicRecord[],
  rewound: readonly Rewound[],
  violated: (what: string) => void,
): void {
  for (const { partition, booked, said, from, end } of rewound) {
    const isSaid = said.some((one) => one.from - one.to === booked && one.to <= end && one.from === from);
    if (!isSaid) {
      violated(
        `I4 partition ${partition}: the ledger has ${booked} rewound and the log ends at ${end}, but said is ${JSON.stringify(said)}`,
      );
    }
  }
  for (const { topicId, partition, booked } of rewound)
    past.rewound.push({ topicId, partition, count: booked });
  const inHand = lost.filter((record) => !rewound.some((one) => isSamePartition(one, record)));
  // Nothing of these was stored, but somebody may have had it in hand, and have stored it since.
  for (const { topicId, partition } of inHand) past.rewound.push({ topicId, partition, count: undefined });
  for (const record of lost) {
    const one = rewound.find((partition) => isSamePartition(partition, record));
    past[one !== undefined && record.offset < one.from ? 'rewritten' : 'gone'].push(record);
  }
}
