import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { Command } from 'commander';
import { describeError, parseSchemaFile } from '../events/catalog.ts';
import { schemaCompiler } from '../events/payload-schemas.ts';
import { type Context, FAILED } from './context.ts';
import { linesOf } from './lines.ts';
import { callSuccessfully, type ServiceOptions, withServiceOptions } from './service-client.ts';
import { wholeNumber } from './whole-number.ts';

export function addCatalog(program: Command, context: Context): void {
  const catalog = program
    .command('catalog')
    .description('work on the event catalog: the JSON Schemas in the folder EVENT_CATALOG');
  const check = catalog
    .command('check <file>')
    .description('say which stored events a new schema would have refused');
  withServiceOptions(check, context)
    .option('--show <number>', 'how many of them to show', wholeNumber, 10)
    .addHelpText(
      'after',
      `
The file is named TYPE.VERSION.json and holds the JSON Schema (2020-12) of the type's payload. The key has to allow reading.

Exit codes: 0 none would have been refused, 1 some would.

Examples:
  footfall catalog check event-catalog/ORDER_PLACED.2.json
  footfall catalog check LOGIN.1.json --url https://events.example --key "$KEY"`,
    )
    .action(async (file: string, options: ServiceOptions & { show: number }) => {
      const refused = await checkStored(file, options);
      context.exitCode = refused > 0 ? FAILED : 0;
    });
}

/** @returns how many stored events the schema refuses */
async function checkStored(file: string, options: ServiceOptions & { show: number }): Promise<number> {
  const { eventType } = parseSchemaFile(basename(file));
  const check = schemaCompiler()(JSON.parse(readFileSync(file, 'utf8')) as object);
  const tally = { looked: 0, refused: 0 };
  for await (const event of storedEvents(options, eventType)) {
    tally.looked++;
    const error = check(event.payload);
    if (error === undefined) continue;
    tally.refused++;
    if (tally.refused > options.show) continue;
    console.log(`${event.eventId}  ${describeError(error)}`);
  }
  console.log(`${tally.looked} stored events of type ${eventType}: ${tally.refused} would have been refused`);
  return tally.refused;
}

/** Streams all stored events of a type. */
async function* storedEvents(service: ServiceOptions, eventType: string) {
  const path = `/events/processed?${new URLSearchParams({ eventType })}`;
  const response = await callSuccessfully(service, path, { headers: { Accept: 'application/x-ndjson' } });
  for await (const line of linesOf(response.body!)) {
    yield JSON.parse(line) as { eventId: string; payload: unknown };
  }
}
