import type { Command } from 'commander';
import { migrateStore } from '../adapters.ts';
import { loadConfig, withEnvFile } from '../config/config.ts';
import { createLogger } from '../observability/logger.ts';
import type { Context } from './context.ts';

export function addMigrate(program: Command, context: Context): void {
  program
    .command('migrate')
    .description('create or update the tables of the store')
    .addHelpText(
      'after',
      `
The service does the same when it first uses the store. Run this before, as a user that may change tables, so that the
service needs no such right (docs/postgresql.md). Any number of instances may do it at once: one works, the others wait.

Examples:
  footfall migrate
  DATABASE_URL=postgres://owner:password@db/footfall footfall migrate`,
    )
    .action(async () => {
      const config = loadConfig(withEnvFile(context.env));
      await migrateStore(config, await createLogger({ level: 'info', format: 'text' }));
      console.log(`The tables are those of this version: ${config.store.kind}`);
    });
}
