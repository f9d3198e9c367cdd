import { Command } from 'commander';
import { openAdapters } from '../src/adapters.ts';
import { loadConfig, withEnvFile } from '../src/config/config.ts';
import { createLogger } from '../src/observability/logger.ts';
import { verify } from '../src/operations/verify.ts';
import { openCatalog } from '../src/service.ts';

const program = new Command()
  .name('npm run verify --')
  .description(
    'Reads every record of the topic and compares it with the store: what is stored, set aside, not processed yet, or missing. Takes the settings of the service, from the environment and .env. Ends with 1 if something is missing.',
  )
  .option('--from <time>', 'only records from this time on (ISO 8601)')
  .option('--to <time>', 'only records before this time (ISO 8601)')
  .addHelpText(
    'after',
    `
Examples:
  npm run verify
  npm run verify -- --from 2026-11-01 --to 2026-11-02T12:00:00Z
  KAFKA_BROKERS=127.0.0.1:9092 DATABASE_URL=postgres://… npm run verify

With the embedded log, stop the service first: one process has the file.`,
  );
const options = program.parse().opts<{ from?: string; to?: string }>();

function time(text: string | undefined, otherwise: number): number {
  const parsed = text === undefined ? otherwise : Date.parse(text);
  if (Number.isNaN(parsed)) throw new Error(`${text} is not a time: write it like 2026-11-01T12:00:00Z`);
  return parsed;
}

const SHOWN = 20;

try {
  const config = loadConfig(withEnvFile(process.env));
  if (config.store.kind === 'memory')
    throw new Error('a memory: store is gone with its process; there is nothing to compare');
  const [from, to] = [time(options.from, 0), time(options.to, Number.POSITIVE_INFINITY)];
  const adapters = await openAdapters(config, {
    logger: await createLogger({ level: 'error', format: 'text' }),
  });
  const { log, store } = adapters;
  let shownAt = 0;
  const result = await verify({
    log,
    store,
    catalog: openCatalog(config),
    from,
    to,
    topic: config.KAFKA_TOPIC,
    group: config.KAFKA_CONSUMER_GROUP,
    progress(records) {
      if (records - shownAt < 100_000) return;
      shownAt = records;
      console.error(`${records} records…`);
    },
  });
  await adapters.close();
  const { records, stored, deadLettered, inFlight, missing, accounts } = result;
  console.log(
    `${records} records = ${stored} stored + ${deadLettered} dead-lettered + ${inFlight} not processed yet + ${missing.length} missing`,
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
  console.log(sound ? 'Nothing is missing.' : 'SOMETHING IS MISSING: keep the topic, and report this.');
  process.exit(sound ? 0 : 1);
} catch (error) {
  console.error(`Cannot verify: ${(error as Error).message}`);
  process.exit(2);
}
