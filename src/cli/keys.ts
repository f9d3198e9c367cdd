import { type Command, Option } from 'commander';
import { createKey, SCOPES, type Scope } from '../access/api-keys.ts';
import { wholeNumber } from './whole-number.ts';

export function addKeys(program: Command): void {
  const keys = program.command('keys').description('make API keys: the list holds only their hashes');
  keys
    .command('create')
    .description('print a new key, and its entry for the list in API_KEYS_FILE')
    .requiredOption('--name <name>', 'who uses it')
    .addOption(new Option('--scope <scope...>', 'what it allows').choices(SCOPES).makeOptionMandatory())
    .option('--origin <origin...>', 'web origins whose pages may use it')
    .option('--events-per-second <number>', 'most events its caller may send to one instance', wholeNumber)
    .addHelpText(
      'after',
      `
Examples:
  footfall keys create --name shop --scope write --origin https://shop.example
  footfall keys create --name analysts --scope read
  footfall keys create --name operator --scope admin

The list is a JSON array of such entries. Several keys with one name can be valid at once: add the new one, send the
service SIGHUP, change the callers, and remove the old one.`,
    )
    .action((options: { name: string; scope: Scope[]; origin?: string[]; eventsPerSecond?: number }) => {
      const { name, scope, origin, eventsPerSecond } = options;
      const { key, entry } = createKey({
        name,
        scopes: scope,
        ...(origin && { origins: origin }),
        ...(eventsPerSecond && { eventsPerSecond }),
      });
      console.error(`The key, shown only now: ${key}\nIts entry for the list:`);
      console.log(JSON.stringify(entry, null, 2));
    });
}
