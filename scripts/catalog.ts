import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { Command } from 'commander';
import { describeError, parseSchemaFile } from '../src/events/catalog.ts';
import { schemaCompiler } from '../src/events/payload-schemas.ts';

const program = new Command()
  .name('npm run catalog --')
  .description('Works on the event catalog: the JSON Schemas in the folder EVENT_CATALOG.');

program
  .command('check <file>')
  .description('says which stored events a new schema would have refused; ends with 1 if there are any')
  .option('--url <url>', 'where the service answers', 'http://127.0.0.1:3000')
  .option('--key <key>', 'an API key that allows to read')
  .option('--show <number>', 'how many of them to show', '10')
  .addHelpText(
    'after',
    `
The file is named TYPE.VERSION.json and holds the JSON Schema (2020-12) of the type's payload.

Examples:
  npm run catalog -- check event-catalog/ORDER_PLACED.2.json
  npm run catalog -- check LOGIN.1.json --url https://events.example --key "$KEY"`,
  )
  .action(checkStored);

try {
  await program.parseAsync();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}

async function checkStored(
  file: string,
  options: { url: string; key?: string; show: string },
): Promise<void> {
  const { eventType } = parseSchemaFile(basename(file));
  const check = schemaCompiler()(JSON.parse(readFileSync(file, 'utf8')) as object);
  const tally = { looked: 0, refused: 0 };
  for await (const event of storedEvents(options)) {
    if (event.eventType !== eventType) continue;
    tally.looked++;
    const error = check(event.payload);
    if (error === undefined) continue;
    tally.refused++;
    if (tally.refused > Number(options.show)) continue;
    console.log(`${event.eventId}  ${describeError(error)}`);
  }
  console.log(`${tally.looked} stored events of type ${eventType}: ${tally.refused} would have been refused`);
  process.exitCode = tally.refused > 0 ? 1 : 0;
}

/** Streams everything the service has stored. */
async function* storedEvents({ url, key }: { url: string; key?: string }) {
  const response = await fetch(`${url}/events/processed`, {
    headers: { Accept: 'application/x-ndjson', ...(key && { Authorization: `Bearer ${key}` }) },
  });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  for await (const line of createInterface(Readable.fromWeb(response.body!))) {
    yield JSON.parse(line) as { eventId: string; eventType: string; payload: unknown };
  }
}
