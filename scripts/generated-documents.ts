import { readFileSync } from 'node:fs';
import { systemClock } from '../src/clock.ts';
import { describeSettings, type SettingDescription } from '../src/config/setting-descriptions.ts';
import { ERRORS } from '../src/errors.ts';
import { Meter, PREFIX } from '../src/observability/meter.ts';
import { createMetrics } from '../src/observability/metrics.ts';
import { registerPool, registerReads, registerStoreBytes } from '../src/observability/store-metrics.ts';
import { registerInstance } from '../src/operations/instance-metrics.ts';
import { MemoryStore } from '../src/store/memory/memory-store.ts';
import { grafanaDashboard } from './grafana-dashboard.ts';
import { shippedPackages } from './shipped-packages.ts';

/** The documents generated from the code, by path. A test compares them with the files. */
export function generatedDocuments(): Record<string, string> {
  return {
    '.env.example': envExample(),
    'docs/configuration.md': configurationPage(),
    'docs/errors.md': errorsPage(),
    'docs/licenses.md': licensesPage(),
    'docs/metrics.md': metricsPage(),
    'deploy/grafana/footfall.json': grafanaDashboard(),
    // Helm reads only files inside the chart.
    'deploy/helm/footfall/files/footfall.json': grafanaDashboard(),
    'deploy/helm/footfall/files/footfall.rules.yml': readFileSync(
      'deploy/prometheus/footfall.rules.yml',
      'utf8',
    ),
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
  const secrets = describeSettings().filter(({ writeOnly }) => writeOnly);
  const names = new Intl.ListFormat('en').format(secrets.map(({ name }) => `\`${name}\``));
  const inFiles = `- **Secrets in files.** ${names} hold secrets. A file can hold the value instead, such as a Docker or Kubernetes secret: add \`_FILE\` to the name, and set that to the path. A line break at the end of the file is ignored. Setting both is an error.`;
  const rows = describeSettings().map(
    (setting) =>
      `| \`${setting.name}\` | ${defaultOf(setting)} | ${setting.description.replaceAll('|', '\\|')} |`,
  );
  return `${GENERATED}

# Configuration

Footfall reads environment variables, and a \`.env\` file in the folder it is started in; the environment takes
precedence. An empty value counts as not set. If any value is invalid, Footfall does not start (exit code 2); one message
names every problem.

- **Mistaken names.** A name that is almost a setting, or what other programs call it (\`KAFKA_BROKER\`, \`kafka_brokers\`,
  \`KAFKA_BOOTSTRAP_SERVERS\`, \`POSTGRES_URL\`), also stops the start, and the message says which setting it is. If the name
  is for another program that shares the environment, set the setting itself, too; instead of \`KAFKA_BROKERS\`,
  \`LOG=embedded\`; for names about TLS and SASL, \`KAFKA_SECURITY_PROTOCOL\`. Names like \`HTTPS_CERT\`, and others that
  begin like a setting, such as \`KAFKA_ACKS\`, only get a warning. Footfall ignores what Kubernetes sets for services
  (\`KAFKA_SERVICE_HOST\`), and what Node.js, npm and Kafka's scripts read.
${wrap(inFiles, 118).join('\n  ')}

| variable | default | what it does |
|---|---|---|
${rows.join('\n')}

## Three ways to run

| | log | store | when |
|---|---|---|---|
| embedded | SQLite file, on disk before the answer | the same file | neither \`KAFKA_BROKERS\` nor \`DATABASE_URL\` is set; \`LOG=embedded\` makes sure of that |
| Kafka, one instance | Apache Kafka | SQLite file, or \`memory:\` | \`KAFKA_BROKERS\` is set; \`LOG=kafka\` makes sure of that |
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

/** A metric of Footfall's own. */
export interface MetricDescription {
  name: string;
  help: string;
  labelNames: readonly string[];
  type: 'counter' | 'gauge' | 'histogram';
}

/** Every metric an instance can have. */
export function describeMetrics(): MetricDescription[] {
  const meter = new Meter();
  createMetrics(meter);
  registerInstance(meter, {
    work: { requests: 0, bytes: 0 },
    liveTail: { readers: 0 },
    store: new MemoryStore(),
    group: 'group',
    topic: 'topic',
    progress: { partitions: [] },
    health: { check: () => Promise.reject(new Error('not asked')), changedAt: new Map() },
    clock: systemClock,
    build: { log: 'embedded', store: 'sqlite', role: 'all' },
    folder: undefined,
  });
  registerStoreBytes(meter, async () => 0);
  registerPool(meter, { totalCount: 0, idleCount: 0, waitingCount: 0 });
  registerReads(meter);
  const metrics = meter.registry.getMetricsAsArray() as unknown as MetricDescription[];
  return metrics.filter(({ name }) => name.startsWith(PREFIX));
}

function metricsPage(): string {
  const rows = describeMetrics().map(
    ({ name, help, labelNames }) =>
      `| \`${name}\` | ${labelNames.map((label) => `\`${label}\``).join(', ')} | ${help} |`,
  );
  return `${GENERATED}

# Metrics

\`GET /metrics\` returns the Prometheus text format. Apart from the metrics of Node.js and the process
(\`nodejs_*\`, \`process_*\`), it has these. Counters start at 0 with every value their labels can have, so that
\`increase()\` also sees what happens for the first time.

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

function licensesPage(): string {
  const rows = shippedPackages().map(({ name, version, license }) => `| ${name} | ${version} | ${license} |`);
  return `${GENERATED}

# Licences

Footfall is under the [MIT licence](../LICENSE). These packages of others are in the production image: those that the service
runs with, some of them for one platform only, and those built into the page. The text of each licence is in the image, too: in
\`/app/node_modules\` and \`/app/dist/dashboard/licenses.md\`. A test allows only licences under which anybody may pass a package
on. [Security](../SECURITY.md#what-is-in-the-image) says where the same list is for programs.

| package | version | licence |
|---|---|---|
${rows.join('\n')}
`;
}
