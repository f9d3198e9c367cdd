// In: the arguments of the process. Out: the command they name, run; each command is a file beside this one.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { Command, CommanderError } from 'commander';
import { ConfigError } from '../config/config.ts';
import { addCatalog } from './catalog.ts';
import { addCheck } from './check.ts';
import { addCompletion } from './completion.ts';
import { type Context, FAILED, MISUSED } from './context.ts';
import { addGroups, addStats } from './counts.ts';
import { addDeadLetters } from './dead-letters.ts';
import { addDemo } from './demo.ts';
import { addDoctor } from './doctor.ts';
import { addKafka } from './kafka.ts';
import { addKeys } from './keys.ts';
import { addMigrate } from './migrate.ts';
import { addPositions } from './positions.ts';
import { addQuery, addTail } from './read.ts';
import { addRetention } from './retention.ts';
import { addSend } from './send.ts';
import { addVerify } from './verify.ts';

const DESCRIPTION = `Records user-activity events: HTTP in, queryable out. Without a command, it starts the service.

Settings are environment variables, or lines of the file .env in this folder; docs/configuration.md lists them. Without
any, events are kept in ./data and http://127.0.0.1:3000 answers.`;

const EXAMPLES = `
Examples:
  footfall
  footfall check
  PORT=8080 DATA_DIR=/var/lib/footfall footfall serve
  KAFKA_BROKERS=kafka:9092 DATABASE_URL=postgres://user:password@db/footfall footfall`;

/** Runs a command to its end. @returns the exit code; undefined if the process goes on */
export async function runCommand(args: readonly string[], context: Context): Promise<number | undefined> {
  try {
    await createProgram(context).parseAsync(args, { from: 'user' });
    return context.exitCode;
  } catch (error) {
    // It has said what is wrong.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : MISUSED;
    console.error(styleText('red', (error as Error).message, { stream: process.stderr }));
    return error instanceof ConfigError ? MISUSED : FAILED;
  }
}

export function createProgram(context: Context): Command {
  const program = new Command('footfall')
    .description(DESCRIPTION)
    .version(version(), '-v, --version')
    .addHelpText('after', EXAMPLES)
    .showSuggestionAfterError()
    .showHelpAfterError('(--help shows what there is, with examples)')
    .exitOverride();
  program
    .command('serve')
    .description('start the service')
    .addHelpText(
      'after',
      `
Examples:
  footfall serve
  PORT=8080 LOG=embedded DATA_DIR=/var/lib/footfall footfall serve`,
    )
    .action(async () => {
      await context.serve();
      context.exitCode = undefined;
    });
  addCheck(program, context);
  addDoctor(program, context);
  addMigrate(program, context);
  addKeys(program);
  addVerify(program, context);
  addCatalog(program, context);
  addDemo(program, context);
  addSend(program, context);
  addQuery(program, context);
  addTail(program, context);
  addStats(program, context);
  addDeadLetters(program, context);
  addRetention(program, context);
  addGroups(program, context);
  addPositions(program, context);
  addKafka(program, context);
  addCompletion(program);
  return program;
}

function version(): string {
  const file = readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8');
  return (JSON.parse(file) as { version: string }).version;
}
