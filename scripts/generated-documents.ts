import { describeSettings, type SettingDescription } from '../src/config/setting-descriptions.ts';
import { ERRORS } from '../src/errors.ts';
import { createMetrics } from '../src/observability/metrics.ts';
import { registerLedger } from '../src/processing/ledger.ts';
import { MemoryStore } from '../src/store/memory/memory-store.ts';

/** The documents that are printed from the code, by path. A test compares them with the files. */
export function generatedDocuments(): Record<string, string> {
  return {
    '.env.example': envExample(),
    'docs/configuration.md': configurationPage(),
    'docs/errors.md': errorsPage(),
    'docs/metrics.md': metricsPage(),
  };
}

const GENERATED = '<!-- Written by `npm run docs` from the code. Change it there. -->';

function envExample(): string {
  const settings = describeSettings().map((setting) => {
    const comment = wrap(setting.description.replaceAll('`', ''), 100)
      .map((line) => `# ${line}`)
      .join('\n');
    const value = setting.default ?? setting.examples?.[0] ?? '';
    return `${comment}\n#${setting.name}=${value}\n`;
  });
  return `# Footfall's settings. Copy this file to .env and uncomment what you change; the values are the defaults,
# or an example where there is none. Variables of the environment win over this file.

${settings.join('\n')}`;
}

function configurationPage(): string {
  const rows = describeSettings().map(
    (setting) =>
      `| \`${setting.name}\` | ${defaultOf(setting)} | ${setting.description.replaceAll('|', '\\|')} |`,
  );
  return `${GENERATED}

# Configuration

Footfall reads environment variables and, in the folder it is started in, a file \`.env\`; the environment wins.
An empty value counts as not set. A value that cannot be used stops the start with one message that names every
problem.

| variable | default | what it does |
|---|---|---|
${rows.join('\n')}

## Three ways to run

| | log | store | when |
|---|---|---|---|
| embedded | SQLite file, on disk before the answer | the same file | neither \`KAFKA_BROKERS\` nor \`DATABASE_URL\` is set |
| Kafka, one instance | Apache Kafka | SQLite file, or \`memory:\` | \`KAFKA_BROKERS\` is set |
| Kafka and PostgreSQL, any number of instances | Apache Kafka | PostgreSQL | both are set |

The embedded log has one partition: one process reads it, and events come back in the order they were accepted.
`;
}

function errorsPage(): string {
  const rows = Object.entries(ERRORS).map(
    ([code, { status, retryable, message }]) =>
      `| \`${code}\` | ${status} | ${retryable ? 'yes' : 'no'} | ${message} |`,
  );
  return `${GENERATED}

# Errors

Every error answer is JSON: \`{"success":false,"error":"…"}\`, or \`{"success":false,"errors":["…"]}\` with one
message for each field of an event that is at fault. Two headers say the rest: \`Error-Code\` is one of the codes
below, \`Error-Retryable\` says whether the same request can succeed later. Answers of 500 and above also carry
\`Retry-After\` in seconds.

| code | status | send again? | message |
|---|---|---|---|
${rows.join('\n')}

\`publish_failed\` means the event is **not known** to be durable. It may be: when the answer of the broker was
lost, a repetition is a second event with an id of its own.
`;
}

function metricsPage(): string {
  const { registry } = createMetrics({ requests: 0, bytes: 0 }, { readers: 0 });
  registerLedger(registry, { store: new MemoryStore(), group: 'group', topic: 'topic' });
  const metrics = registry.getMetricsAsArray() as unknown as {
    name: string;
    help: string;
    labelNames?: string[];
  }[];
  const own = metrics.filter(({ name }) => !/^(process|nodejs)_/.test(name) || name === 'process_seconds');
  const rows = own.map(
    ({ name, help, labelNames = [] }) =>
      `| \`${name}\` | ${labelNames.map((label) => `\`${label}\``).join(', ')} | ${help} |`,
  );
  return `${GENERATED}

# Metrics

\`GET /metrics\` answers in Prometheus' text format. Besides the metrics of Node.js and the process
(\`nodejs_*\`, \`process_*\`):

| metric | labels | what it counts |
|---|---|---|
${rows.join('\n')}
`;
}

function defaultOf(setting: SettingDescription): string {
  return setting.default === undefined ? 'not set' : `\`${setting.default}\``;
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    if (`${lines.at(-1)} ${word}`.length > width) lines.push(word);
    else lines[lines.length - 1] = `${lines.at(-1)} ${word}`.trim();
  }
  return lines;
}
