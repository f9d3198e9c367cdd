import { globSync, readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createProgram, runCommand } from '../../../src/cli/program.ts';

const program = createProgram({
  env: {},
  isWatched: false,
  serve: async () => {},
  untilStopped: async () => {},
  exitCode: 0,
});
const commands = leavesOf(program);

/** Those that do something; the others only hold them. Without what only the script of `completion` calls. */
function leavesOf(command: Command): Command[] {
  if (command.commands.length === 0) return [command];
  return command.commands.filter((one) => one.name() !== 'complete').flatMap(leavesOf);
}

function nameOf(command: Command): string {
  return command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;
}

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part) }).outputHelp();
  return text;
}

describe('the commands', () => {
  it.each(commands.map((command) => [nameOf(command), command] as const))(
    '%s has examples in its help, which begin with its name',
    (name, command) => {
      expect(helpOf(command)).toMatch(new RegExp(`^Examples:\\n.*${name}`, 'ms'));
    },
  );

  it('are in docs/cli.md', () => {
    const page = readFileSync('docs/cli.md', 'utf8');
    const names = commands.map(nameOf);
    expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });
});

describe('the documents', () => {
  /** Each command in code, from the name of its command to what the shell makes of the rest. */
  const written = globSync(['*.md', 'docs/*.md']).flatMap((page) => {
    const code = readFileSync(page, 'utf8').matchAll(/^```\w*\n(.*?)^```|`([^`\n]+)`/gms);
    const calls =
      /^(?:\$ )?(?:[A-Z_]+=\S* )*(?:npx footfall|npm run -s footfall --|footfall|node src\/main\.ts) ([a-z][^\n|#>;]*)/gm;
    return [...code].flatMap(([, block, span]) =>
      [...(block ?? span!).matchAll(calls)].map(([, call]) => ({ page, call: call!.trim() })),
    );
  });

  /** What the program does not know of a command. */
  function unknownIn(call: string): string[] {
    const words = call.split(/\s+/);
    let command = program;
    for (;;) {
      const next = command.commands.find((one) => one.name() === words[0]);
      if (next === undefined) break;
      command = next;
      words.shift();
    }
    if (command === program) return words;
    const known = [...command.options.map(({ long }) => long!), '--help'];
    const options = words.filter((word) => word.startsWith('--')).map((word) => word.split('=')[0]!);
    return options.filter((option) => !known.includes(option));
  }

  it('have only commands and options that there are', () => {
    expect(written.length).toBeGreaterThan(50);
    expect(written.filter(({ call }) => unknownIn(call).length > 0)).toEqual([]);
    expect(unknownIn('positions reset --to-earlest')).toEqual(['--to-earlest']);
    expect(unknownIn('verfy --from 2026')).toEqual(['verfy', '--from', '2026']);
  });
});

describe('options that contradict each other', () => {
  it.each([
    ['dead-letters redrive', /Say which/],
    ['dead-letters redrive 17 --all', /not both/],
    ['dead-letters redrive 17 --reason not-json', /--reason/],
    ['dead-letters redrive --all --value {}', /--value/],
    ['dead-letters redrive 17 18 --value {}', /--value/],
    ['send events.ndjson --user u --type LOGIN', /not both/],
    ['send --payload {}', /--payload/],
    ['query --limit 5 --all', /cannot be used with option '--all'/],
    ['query --limit 5 --csv', /cannot be used with option '--csv'/],
    ['kafka --tls --zookeeper', /leave out --zookeeper/],
    ['kafka --port 0', /number from 1 to 65535/],
    ['positions reset', /Say how far back/],
    ['positions reset --to-earliest --to-offset 2 --partition 0', /Say how far back/],
    ['positions reset --to-offset 2', /add --partition/],
    ['positions reset --to-offset -1 --partition 0', /whole number/],
    ['catalog check LOGIN.1.json --show abc', /whole number/],
  ])('are refused: %s', async (line, mistake) => {
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    onTestFinished(() => write.mockRestore());
    const context = {
      env: {},
      isWatched: false,
      serve: async () => {},
      untilStopped: async () => {},
      exitCode: 0,
    };
    expect(await runCommand(line.split(' '), context)).toBe(2);
    expect(write.mock.calls.join('')).toMatch(mistake);
  });
});
