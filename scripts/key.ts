import { Command, InvalidArgumentError, Option } from 'commander';
import { createKey, SCOPES, type Scope } from '../src/access/api-keys.ts';

const program = new Command()
  .name('npm run key --')
  .description('Makes API keys. The list holds only their hashes, so a key is shown once.');

program
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
  npm run key -- create --name shop --scope write --origin https://shop.example
  npm run key -- create --name analysts --scope read
  npm run key -- create --name operator --scope admin

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

function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('It must be a whole number greater than 0.');
}

program.parse();
