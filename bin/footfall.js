#!/usr/bin/env node
import './check-node.js';
import { existsSync, readFileSync } from 'node:fs';

// Not before the version is checked: an old Node.js does not have it.
const { parseArgs } = await import('node:util');

const HELP = `Usage: footfall [options]

Records user-activity events: HTTP in, queryable out. Settings are environment
variables, or lines of the file .env in this folder; without any, events are
kept in ./data and http://127.0.0.1:3000 answers.

Options:
  -h, --help     display help
  -v, --version  display the version

Examples:
  npx footfall
  PORT=8080 DATA_DIR=/var/lib/footfall npx footfall
  KAFKA_BROKERS=kafka:9092 DATABASE_URL=postgres://user:password@db/footfall npx footfall

All settings: docs/configuration.md of the package.
`;

function readOptions() {
  try {
    return parseArgs({
      options: { help: { type: 'boolean', short: 'h' }, version: { type: 'boolean', short: 'v' } },
    }).values;
  } catch (error) {
    console.error(`${error.message}\n\n${HELP}`);
    process.exit(2);
  }
}

const options = readOptions();
const file = (path) => new URL(path, import.meta.url);
if (options.help) process.stdout.write(HELP);
else if (options.version) console.log(JSON.parse(readFileSync(file('../package.json'), 'utf8')).version);
// The package holds JavaScript; a clone is run as it is.
else await import(existsSync(file('../lib/main.js')) ? '../lib/main.js' : '../src/main.ts');
