import { describeSettings, type SettingDescription } from '../src/config/setting-descriptions.ts';
import { ERRORS } from '../src/errors.ts';
import { createMetrics } from '../src/observability/metrics.ts';
import { registerLedger } from '../src/processing/ledger.ts';
import { registerProgress } from '../src/processing/progress.ts';
import { MemoryStore } from '../src/store/memory/memory-store.ts';

/** The documents generated from the code, by path. A test compares them with the files. */
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
  return `# Footfall's settings. Copy this file to .env and uncomment what you change. Each value is the default,
# or an example if there is no default. Environment variables take precedence over this file.

${settings.join('\n')}`;
}

function configurationPage(): string {
  const rows = describeSettings().map(
    (setting) =>
      `| \`${setting.name}\` | ${defaultOf(setting)} | ${setting.description.replaceAll('|', '\\|')} |`,
  );
  return `${GENERATED}

# Configuration

Footfall reads environment variables, and a \`.env\` file in the folder it is started in; the environment takes
precedence. An empty value counts as not set. If any value is invalid, Footfall does not start; one message names
every problem.

| variable | default | what it does |
|---|---|---|
${rows.join('\n')}

## Three ways to run

| | log | store | when |
|---|---|---|---|
| embedded | SQLite file, on disk before the answer | the same file | neither \`KAFKA_BROKERS\` nor \`DATABASE_URL\` is set |
| Kafka, one instance | Apache Kafka | SQLite file, or \`memory:\` | \`KAFKA_BROKERS\` is set |
| Kafka and PostgreSQL, any number of instances | Apache Kafka | PostgreSQL | both are set |

The embedded log has one partition: one process reads it, and queries return events in the order they were accepted.
`;
}

function errorsPage(): string {
  const rows = Object.entries(ERRORS).map(
    ([code, { status, retryable, message }]) =>
      `| \`${code}\` | ${status} | ${retryable ? 'yes' : 'no'} | ${message} |`,
  );
  return `${GENERATED}

# Errors

Every error response is JSON: \`{"success":false,"error":"…"}\`, or \`{"success":false,"errors":["…"]}\` with one
message for each invalid field of an event. Two headers say the rest: \`Error-Code\` is one of the codes below, and
\`Error-Retryable\` says whether the same request can succeed later. Responses with a status of 500 or above, and 429,
also carry \`Retry-After\` in seconds.

Two kinds of response have bodies of their own:

- A batch of which nothing was accepted has the two headers, but its body is
  \`{"success":false,"accepted":0,"rejected":n,"results":[…]}\`, with a message for each event. The headers describe the
  first error that is worth retrying or, if none is, the first error.
- \`/health\` and \`/readyz\` answer 503 with the state of each dependency, and without these headers.

| code | status | send again? | message |
|---|---|---|---|
${rows.join('\n')}

\`publish_failed\` means that Footfall does **not know** whether the event is durable. If only the broker's response
was lost, the event is in the topic. Retry with the same \`eventId\` or \`Idempotency-Key\`; without one, a retry is a
second event.
`;
}

function metricsPage(): string {
  const { registry } = createMetrics({ requests: 0, bytes: 0 }, { readers: 0 });
  registerLedger(registry, { store: new MemoryStore(), group: 'group', topic: 'topic' });
  registerProgress(registry, { partitions: [] });
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

\`GET /metrics\` returns the Prometheus text format. Apart from the metrics of Node.js and the process
(\`nodejs_*\`, \`process_*\`), it has:

| metric | labels | meaning |
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
