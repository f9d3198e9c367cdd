import { styleText } from 'node:util';
import type { Command } from 'commander';
import { type Verification, verify } from '../operations/verify.ts';
import { type Context, FAILED, MISUSED, showProgress } from './context.ts';
import { whileLooking } from './own-adapters.ts';

const SHOWN = 20;
const PROGRESS_EVERY = 10_000;

export function addVerify(program: Command, context: Context): void {
  program
    .command('verify')
    .description('compare every record of the topic with the store')
    .option('--from <time>', 'only records from this time on (ISO 8601)')
    .option('--to <time>', 'only records before this time (ISO 8601)')
    .addHelpText(
      'after',
      `
Counts what is stored, dead-lettered, not processed yet and missing. Uses the settings of the service.

Exit codes: 0 nothing is missing, 1 something is, 2 it could not be compared.

Examples:
  footfall verify
  footfall verify --from 2026-11-01 --to 2026-11-02T12:00:00Z
  KAFKA_BROKERS=127.0.0.1:9092 DATABASE_URL=postgres://… footfall verify

It changes nothing, and joins no consumer group. With the embedded log, stop the service first: one process has the file.`,
    )
    .action(async ({ from, to }: { from?: string; to?: string }) => {
      try {
        const result = await compare(context, time(from, 0), time(to, Number.POSITIVE_INFINITY));
        context.exitCode = report(result) ? 0 : FAILED;
      } catch (error) {
        console.error(
          styleText('red', `Cannot verify: ${(error as Error).message}`, { stream: process.stderr }),
        );
        context.exitCode = MISUSED;
      }
    });
}

function time(text: string | undefined, otherwise: number): number {
  const parsed = text === undefined ? otherwise : Date.parse(text);
  if (Number.isNaN(parsed)) throw new Error(`${text} is not a time: write it like 2026-11-01T12:00:00Z`);
  return parsed;
}

async function compare(context: Context, from: number, to: number): Promise<Verification> {
  // It takes longer to load than most commands take.
  const { openCatalog } = await import('../service.ts');
  let shownAt = 0;
  const result = await whileLooking(context, 'there is nothing to compare', ({ log, store }, config) =>
    verify({
      log,
      store,
      catalog: openCatalog(config),
      from,
      to,
      topic: config.KAFKA_TOPIC,
      group: config.KAFKA_CONSUMER_GROUP,
      progress(records) {
        if (records - shownAt < PROGRESS_EVERY) return;
        shownAt = records;
        showProgress(context, `${records} records…`);
      },
    }),
  );
  if (shownAt > 0) showProgress(context, '\n');
  return result;
}

/** @returns whether nothing is missing */
function report({
  records,
  stored,
  deadLettered,
  expired,
  inFlight,
  missing,
  accounts,
}: Verification): boolean {
  console.log(
    `${records} records = ${stored} stored + ${deadLettered} dead-lettered + ${expired} too old to be kept + ${inFlight} not processed yet + ${missing.length} missing`,
  );
  console.log('The ledger of the store, by partition, since reading began:');
  console.table(accounts);
  for (const { partition, offset, eventId } of missing.slice(0, SHOWN)) {
    console.log(
      `MISSING partition ${partition} offset ${offset} ${eventId ?? '(no event, and not among the dead letters)'}`,
    );
  }
  if (missing.length > SHOWN) console.log(`… and ${missing.length - SHOWN} more`);
  const sound = missing.length === 0 && accounts.every(({ unaccounted }) => unaccounted === 0);
  console.log(
    sound
      ? styleText('green', 'Nothing is missing.')
      : styleText('red', 'SOMETHING IS MISSING: keep the topic, and report this.'),
  );
  return sound;
}
