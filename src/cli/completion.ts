import tab from '@bomb.sh/tab/commander';
import type { Command } from 'commander';

/** Call last: completes the commands and options that the program has by then. */
export function addCompletion(program: Command): void {
  tab(program, { completionCommandName: 'completion' });
  program.commands
    .find((command) => command.name() === 'completion')!
    .description('print a script that completes commands and options in a shell')
    .addHelpText(
      'after',
      `
Examples:
  source <(footfall completion bash)
  source <(footfall completion zsh)
  footfall completion fish > ~/.config/fish/completions/footfall.fish
  footfall completion powershell >> $PROFILE`,
    );
}
