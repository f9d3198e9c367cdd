import type { Command } from 'commander';
import { escapeControls } from '../observability/escape-controls.ts';
import { type Context, FAILED } from './context.ts';
import { getJson, type ServiceOptions, withServiceOptions } from './service-client.ts';

interface Stats {
  total: number;
  totals: { eventType: string; events: number; firstHour: string; lastHour: string }[];
  day: string;
  topUsers: { value: string; events: number }[];
}

interface Groups {
  groups: {
    group: string;
    topic: string;
    logReachable: boolean;
    members: { id: string; host: string; partitions: number[] }[] | null;
    partitions: { partition: number; position: string; end: string; lag: number; oldestWaiting: string }[];
  }[];
}

type Options = ServiceOptions & { json?: boolean };

export function addStats(program: Command, context: Context): void {
  withServiceOptions(program.command('stats').description('print how many events are stored'), context)
    .option('--user <id>', 'only how many of this user, and when')
    .option('--json', 'print the answer of the service')
    .addHelpText(
      'after',
      `
The key has to allow reading.

Examples:
  footfall stats
  footfall stats --user user-123
  footfall stats --json | jq .total`,
    )
    .action(async (options: Options & { user?: string }) => {
      const { user, json } = options;
      if (user !== undefined) {
        const path = `/events/stats/user?${new URLSearchParams({ userId: user })}`;
        console.log(JSON.stringify(await getJson(options, path), null, 2));
        return;
      }
      const stats = await getJson<Stats>(options, '/events/stats');
      if (json) console.log(JSON.stringify(stats, null, 2));
      else printStats(stats);
    });
}

function printStats({ total, totals, day, topUsers }: Stats): void {
  console.log(`${total} events`);
  if (totals.length === 0) return;
  console.table(totals.map(({ eventType, ...others }) => ({ type: escapeControls(eventType), ...others })));
  if (topUsers.length === 0) return;
  console.log(`Users with most events on ${day}:`);
  console.table(topUsers.map(({ value, events }) => ({ user: escapeControls(value), events })));
}

export function addGroups(program: Command, context: Context): void {
  const groups = program
    .command('groups')
    .description('print the consumer group: its members, and how far it is');
  withServiceOptions(groups, context)
    .option('--json', 'print the answer of the service')
    .addHelpText(
      'after',
      `
The key has to allow reading. Exit codes: 0 all is well, 1 the log cannot be reached.

Examples:
  footfall groups
  footfall groups --json | jq '[.groups[].partitions[].lag] | add'`,
    )
    .action(async (options: Options) => {
      const answer = await getJson<Groups>(options, '/consumer-groups');
      if (options.json) console.log(JSON.stringify(answer, null, 2));
      else for (const group of answer.groups) printGroup(group);
      context.exitCode = answer.groups.every(({ logReachable }) => logReachable) ? 0 : FAILED;
    });
}

function printGroup({ group, topic, logReachable, members, partitions }: Groups['groups'][number]): void {
  console.log(`${group} reads ${topic}${logReachable ? '' : ', which cannot be reached'}`);
  for (const { id, host, partitions: own } of members ?? []) {
    console.log(escapeControls(`  ${id} on ${host}: partitions ${own.join(', ') || 'none'}`));
  }
  console.table(
    partitions.map(({ partition, position, end, lag, oldestWaiting }) => {
      return { partition, position, end, lag, oldestWaiting };
    }),
  );
}
