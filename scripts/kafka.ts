import { resolve } from 'node:path';
import { Command } from 'commander';
import { KAFKA_3, KAFKA_4, MissingProgramError } from './kafka-jars.ts';
import { developmentBroker } from './kafka-listeners.ts';
import { KafkaServer } from './kafka-server.ts';

const program = new Command()
  .name('npm run kafka --')
  .description('Starts a real one-node Apache Kafka for development, without Docker. Ctrl-C stops it.')
  .option('--port <number>', 'port for clients', '9092')
  .option('--data-dir <folder>', 'where topics are kept (default: ./data/kafka-<version>)')
  .option('--version <version>', 'Apache Kafka version, from Maven Central')
  .option('--zookeeper', `run on ZooKeeper instead of KRaft (takes Kafka ${KAFKA_3})`, false)
  .option('--tls', 'with TLS; needs openssl, which makes the certificates', false)
  .option('--sasl', 'with a login: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512', false)
  .addHelpText(
    'after',
    `
Examples:
  npm run kafka
  npm run kafka -- --port 9192 --data-dir /tmp/kafka
  npm run kafka -- --zookeeper
  npm run kafka -- --tls --sasl

Then, in another terminal:
  KAFKA_BROKERS=127.0.0.1:9092 npm start`,
  );

const options = program.parse().opts<{
  port: string;
  dataDir?: string;
  version?: string;
  zookeeper: boolean;
  tls: boolean;
  sasl: boolean;
}>();
const { tls, sasl } = options;
const isSecured = tls || sasl;
if (isSecured && options.zookeeper) program.error('--tls and --sasl are for KRaft: leave out --zookeeper');
const version = options.version ?? (options.zookeeper ? KAFKA_3 : KAFKA_4);
const mode = options.zookeeper ? '-zookeeper' : `${tls ? '-tls' : ''}${sasl ? '-sasl' : ''}`;
const port = Number(options.port);
const dataDir = resolve(options.dataDir ?? `data/kafka-${version}${mode}`);

try {
  const development = isSecured ? developmentBroker(dataDir, { port, tls, sasl }) : undefined;
  const server = await KafkaServer.start({
    version,
    // The broker itself needs a listener without security.
    port: isSecured ? 0 : port,
    dataDir,
    zookeeper: options.zookeeper,
    ...(development && { secured: development.secured }),
    progress: (text) => console.log(text),
  });
  console.log(howToStart(development?.env ?? { KAFKA_BROKERS: server.bootstrap }));
  let stopping = false;
  const stop = async () => {
    if (stopping) return;
    stopping = true;
    console.log('\nStopping Kafka…');
    await server.stop();
    process.exit(0);
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
} catch (error) {
  console.error(
    error instanceof MissingProgramError
      ? error.message
      : `Kafka could not be started: ${(error as Error).message}`,
  );
  process.exit(1);
}

function howToStart(env: Record<string, string>): string {
  const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const start =
    settings.length === 1
      ? `Start Footfall on it:  ${settings[0]} npm start`
      : `Start Footfall with these settings, for example as lines of .env:\n\n${settings.join('\n')}\n`;
  return `${start}\nCtrl-C stops Kafka.`;
}
