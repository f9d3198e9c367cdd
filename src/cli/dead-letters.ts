import type { Command } from 'commander';
import { escapeControls } from '../observability/escape-controls.ts';
import type { Context } from './context.ts';
import { callSuccessfully, getJson, type ServiceOptions, withServiceOptions } from './service-client.ts';

interface DeadLetter {
  id: string;
  topic: string;
  partition: number;
  offset: string;
  reason: string;
  detail: string;
  deadLetteredAt: string;
  redrivenAt: string | null;
}

interface ListOptions extends ServiceOptions {
  waiting?: boolean;
  reason?: string;
  limit: string;
  json?: boolean;
}

interface RedriveOptions extends ServiceOptions {
  all?: boolean;
  reason?: string;
  value?: string;
}

export function addDeadLetters(program: Command, context: Context): void {
  const letters = program
    .command('dead-letters')
    .description('work on dead letters: records of the topic that are not valid events');
  addList(letters, context);
  addShow(letters, context);
  addRedrive(letters, context);
}

function addList(letters: Command, context: Context): void {
  withServiceOptions(letters.command('list').description('print the latest, newest first'), context)
    .option('--waiting', 'only those not sent back yet')
    .option('--reason <reason>', 'only those with this reason')
    .option('--limit <number>', 'at most this many (1 to 500)', '50')
    .option('--json', 'print the answer of the service')
    .addHelpText(
      'after',
      `
The key has to allow reading.

Examples:
  footfall dead-letters list --waiting
  footfall dead-letters list --reason not-json --json`,
    )
    .action(async ({ waiting, reason, limit, json, ...service }: ListOptions) => {
      const query = new URLSearchParams({ limit });
      if (waiting) query.set('waiting', 'true');
      if (reason !== undefined) query.set('reason', reason);
      const answer = await getJson<{ deadLetters: DeadLetter[] }>(service, `/dead-letters?${query}`);
      if (json) console.log(JSON.stringify(answer, null, 2));
      else for (const letter of answer.deadLetters) console.log(lineOf(letter));
    });
}

function lineOf({ id, topic, partition, offset, reason, detail, ...times }: DeadLetter): string {
  const state = times.redrivenAt === null ? 'waiting' : 'sent back';
  const place = `${topic}/${partition}/${offset}`;
  return escapeControls([id, times.deadLetteredAt, state, reason, place, detail].join('  '));
}

function addShow(letters: Command, context: Context): void {
  withServiceOptions(letters.command('show <id>').description('print one with its record'), context)
    .addHelpText(
      'after',
      `
The key has to allow reading.

Examples:
  footfall dead-letters show 17
  footfall dead-letters show 17 | jq -r .record.value.text`,
    )
    .action(async (id: string, service: ServiceOptions) => {
      const letter = await getJson(service, `/dead-letters/${encodeURIComponent(id)}`);
      console.log(JSON.stringify(letter, null, 2));
    });
}

function addRedrive(letters: Command, context: Context): void {
  const redrive = letters
    .command('redrive [ids...]')
    .description('send some back to their topic, to be processed again');
  withServiceOptions(redrive, context)
    .option('--all', 'all that have not been sent back')
    .option('--reason <reason>', 'with --all: only those with this reason')
    .option('--value <event>', 'of a single one: the corrected event, as JSON')
    .addHelpText(
      'after',
      `
Sending one back twice does no harm. The key has to be for admin.

Examples:
  footfall dead-letters redrive 17 18
  footfall dead-letters redrive --all --reason unknown-type
  footfall dead-letters redrive 17 --value "$(cat corrected.json)"

A corrected event is complete: eventId, userId, eventType, timestamp and payload.`,
    )
    .action(async (ids: string[], options: RedriveOptions) => {
      const { all, reason, value, ...service } = options;
      const mistake = mistakeIn(ids, options);
      if (mistake !== undefined) redrive.error(mistake);
      const choice = all ? { all: true, reason } : { ids, value };
      const response = await callSuccessfully(service, '/dead-letters/redrive', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(choice),
      });
      console.log(JSON.stringify(await response.json(), null, 2));
    });
}

function mistakeIn(ids: readonly string[], { all, reason, value }: RedriveOptions): string | undefined {
  if (!all && ids.length === 0) return 'Say which: ids of "footfall dead-letters list", or --all.';
  if (all && ids.length > 0) return 'Give ids or --all, not both.';
  if (!all && reason !== undefined) return '--reason chooses among --all: it cannot be used with ids.';
  if (value !== undefined && ids.length !== 1) return '--value corrects a single one: give exactly one id.';
  return undefined;
}
