import type { Command } from 'commander';
import { escapeControls } from '../observability/escape-controls.ts';
import type { Context } from './context.ts';
import { getJson, type ServiceOptions, withServiceOptions } from './service-client.ts';
import { wholeNumber } from './whole-number.ts';

interface Retention {
  retentionDays: number | null;
  types: {
    eventType: string;
    retentionDays: number | null;
    keepsFrom: string | null;
    events: number;
    expired: number;
  }[];
  keptFrom: string | null;
}

type Options = ServiceOptions & { days?: number; json?: boolean };

export function addRetention(program: Command, context: Context): void {
  const command = program
    .command('retention')
    .description('print how long events are kept, and how many are to go; removes nothing');
  withServiceOptions(command, context)
    .option('--days <n>', 'what would go with RETENTION_DAYS=n', wholeNumber)
    .option('--json', 'print the answer of the service')
    .addHelpText(
      'after',
      `
The key has to allow reading. The service removes what is past its retention by itself, within the hour.

Examples:
  footfall retention
  footfall retention --days 90
  footfall retention --days 90 --json | jq '[.types[].expired] | add'`,
    )
    .action(async ({ days, json, ...service }: Options) => {
      const query = days === undefined ? '' : `?days=${days}`;
      const answer = await getJson<Retention>(service, `/retention${query}`);
      if (json) console.log(JSON.stringify(answer, null, 2));
      else print(answer, days !== undefined);
    });
}

function print({ retentionDays, types, keptFrom }: Retention, isTrial: boolean): void {
  const kept = retentionDays === null ? 'for good' : `for ${retentionDays} days`;
  console.log(
    isTrial ? `If events were kept ${kept}:` : `Events are kept ${kept}, unless their type says otherwise.`,
  );
  if (types.length > 0) {
    console.table(
      types.map(({ eventType, retentionDays: own, keepsFrom, events, expired }) => ({
        type: escapeControls(eventType),
        days: own ?? 'for good',
        'keeps from': keepsFrom ?? '',
        events,
        [isTrial ? 'would go' : 'to go']: expired,
      })),
    );
  }
  if (keptFrom !== null) console.log(`Events before ${keptFrom}, of some type, are gone for good.`);
}
