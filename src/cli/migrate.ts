import type { Command } from 'commander';
import { migrateStore } from '../adapters.ts';
import { loadConfig, withEnvFile } from '../config/config.ts';
import { createLogger } from '../observability/logger.ts';
import type { Context } from './context.ts';

export function addMigrate(program: Command, context: Context): void {
  program
    .command('migrate')
    .description('create or update the tables of the store, and build its indexes')
    .addHelpText(
      'after',
      `
The service does the same when it first uses the store, unless DATABASE_MIGRATE=off. Run this before, as the user that owns the
tables, so that the service needs no right to change them (docs/postgresql.md). Events are stored while indexes are built. Any
number of instances may do it at once: one works, the others wait. Whatever ends it in the middle, it can be run again.

Examples:
  footfall migrate
  DATABASE_URL=postgres://owner:password@db/footfall footfall migrate`,
    )
    .action(async () => {
      const config = loadConfig(withEnvFile(context.env));
      await migrateStore(config, await createLogger({ level: 'info', format: 'text' }));
      console.log(`The tables are as this version needs them: ${config.store.kind}`);
    });
}
