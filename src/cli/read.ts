import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { describeCause } from '../describe-cause.ts';
import type { Context } from './context.ts';
import { linesOf } from './lines.ts';
import { callSuccessfully, type ServiceOptions, withServiceOptions } from './service-client.ts';
import { wholeNumber } from './whole-number.ts';

const RECONNECT_MS = 1000;
/** The most that a page may have. */
const PAGE = 1000;

interface Filters extends ServiceOptions {
  user?: string;
  type?: string[];
  payload?: string[];
}

interface QueryOptions extends Filters {
  from?: string;
  to?: string;
  order?: string;
  limit: number;
  all?: boolean;
  csv?: boolean;
}

export function addQuery(program: Command, context: Context): void {
  withFilters(program.command('query').description('print stored events, one JSON object a line'), context)
    .option('--from <time>', 'events of this time and later, such as 2026-11-01 or 2026-11-01T10:30:00Z')
    .option('--to <time>', 'events before this time')
    .addOption(
      new Option('--order <order>', '-: newest first').choices(['stored', '-stored', 'time', '-time']),
    )
    .addOption(
      new Option('--limit <number>', 'at most this many')
        .argParser(wholeNumber)
        .default(100)
        .conflicts(['all', 'csv']),
    )
    .option('--all', 'all that match, however many there are')
    .option('--csv', 'all that match, as CSV')
    .addHelpText(
      'after',
      `
The key has to allow reading. docs/reading.md describes the filters.

Examples:
  footfall query --user user-123 --order=-time --limit 10
  footfall query --type LOGIN LOGOUT --from 2026-11-01 --all | jq .userId
  footfall query --payload device=iPhone --csv > events.csv`,
    )
    .action(async (options: QueryOptions) => {
      const query = queryOf(options);
      const times = { from: options.from, to: options.to, order: options.order };
      for (const [name, value] of Object.entries(times)) if (value !== undefined) query.set(name, value);
      if (options.csv || options.all) await printAll(options, query);
      else await printPages(options, query);
    });
}

export function addTail(program: Command, context: Context): void {
  withFilters(program.command('tail').description('print events as they are stored, until Ctrl-C'), context)
    .option('--after <id>', 'begin behind this id of the stream; 0: with the first event')
    .option('--limit <number>', 'end after this many', wholeNumber)
    .addHelpText(
      'after',
      `
When the connection breaks, it connects again and continues where it was. The key has to allow reading.

Examples:
  footfall tail
  footfall tail --type PRODUCT_VIEW | jq .payload
  footfall tail --after 0 --limit 10`,
    )
    .action((options: Filters & { after?: string; limit?: number }) => follow(options));
}

function withFilters(command: Command, context: Context): Command {
  return withServiceOptions(command, context)
    .option('--user <id>', 'events of this user')
    .option('--type <type...>', 'events of these types')
    .option('--payload <member=value...>', 'events with these values in the payload');
}

function queryOf({ user, type = [], payload = [] }: Filters): URLSearchParams {
  const query = new URLSearchParams();
  if (user !== undefined) query.set('userId', user);
  for (const one of type) query.append('eventType', one);
  for (const condition of payload) {
    const at = condition.indexOf('=');
    if (at < 1) throw new Error(`--payload ${condition}: write it like device=iPhone`);
    query.append(`payload.${condition.slice(0, at)}`, condition.slice(at + 1));
  }
  return query;
}

async function printAll(options: QueryOptions, query: URLSearchParams): Promise<void> {
  const headers = { Accept: options.csv ? 'text/csv' : 'application/x-ndjson' };
  const response = await callSuccessfully(options, `/events/processed?${query}`, { headers });
  for await (const line of linesOf(response.body!)) console.log(line);
}

async function printPages(options: QueryOptions, query: URLSearchParams): Promise<void> {
  const headers = { Accept: 'application/x-ndjson' };
  query.set('limit', String(Math.min(options.limit, PAGE)));
  let path: string | undefined = `/events/processed?${query}`;
  let left = options.limit;
  while (path !== undefined && left > 0) {
    const response: Response = await callSuccessfully(options, path, { headers });
    for await (const line of linesOf(response.body!)) if (left-- > 0) console.log(line);
    path = /<([^>]+)>; rel="next"/.exec(response.headers.get('Link') ?? '')?.[1];
  }
}

async function follow(options: Filters & { after?: string; limit?: number }): Promise<void> {
  const query = queryOf(options);
  let position = options.after;
  let left = options.limit ?? Number.POSITIVE_INFINITY;
  for (let hasConnected = false; ; ) {
    try {
      if (position !== undefined) query.set('after', position);
      const response = await callSuccessfully(options, `/events/stream?${query}`);
      hasConnected = true;
      for await (const { id, message } of framesOf(response)) {
        position = id ?? position;
        if (message?.event === 'reset') console.error('The store was reset: all events follow again');
        else if (message !== undefined) console.log(message.data);
        if (message !== undefined && message.event !== 'reset' && --left === 0) return;
      }
    } catch (error) {
      // A first connection that fails is a mistake, a later one an outage.
      if (!hasConnected) throw error;
      console.error((error as Error).message);
    }
    await sleep(RECONNECT_MS);
  }
}

interface Frame {
  id: string | undefined;
  /** Undefined if there is only an id, which says how far the stream is: the parser keeps those to itself. */
  message: EventSourceMessage | undefined;
}

async function* framesOf(response: Response): AsyncGenerator<Frame> {
  let id: string | undefined;
  let message: EventSourceMessage | undefined;
  const parser = createParser({
    onEvent(event) {
      message = event;
    },
  });
  for await (const line of linesUntilBroken(response)) {
    parser.feed(`${line}\n`);
    if (line.startsWith('id: ')) id = line.slice('id: '.length);
    if (line !== '') continue;
    yield { id, message };
    message = undefined;
  }
}

async function* linesUntilBroken(response: Response): AsyncGenerator<string> {
  try {
    yield* linesOf(response.body!);
  } catch (error) {
    throw new Error(`The connection broke (${describeCause(error as Error)}); connecting again`, {
      cause: error,
    });
  }
}
