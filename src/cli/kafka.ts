import { resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import type { Context } from './context.ts';

interface KafkaOptions {
  port: number;
  dataDir?: string;
  kafkaVersion?: string;
  zookeeper?: boolean;
  tls?: boolean;
  sasl?: boolean;
}

const MAX_PORT = 65_535;

export function addKafka(program: Command, { untilStopped }: Context): void {
  program
    .command('kafka')
    .description('start a real one-node Apache Kafka for development, without Docker')
    .option('--port <number>', 'port for clients', portNumber, 9092)
    .option('--data-dir <folder>', 'where topics are kept (default: ./data/kafka-<version>)')
    .option('--kafka-version <version>', 'Apache Kafka version, from Maven Central')
    .option('--zookeeper', 'run on ZooKeeper instead of KRaft (takes Kafka 3.9)')
    .option('--tls', 'with TLS; needs openssl, which makes the certificates')
    .option('--sasl', 'with a login: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512')
    .addHelpText(
      'after',
      `
Needs Java and Maven, which fetches Kafka the first time (about 55 MB). Ctrl-C stops it; topics are kept.

Examples:
  footfall kafka
  footfall kafka --port 9192 --data-dir /tmp/kafka
  footfall kafka --zookeeper
  footfall kafka --tls --sasl

Then, in another terminal:
  KAFKA_BROKERS=127.0.0.1:9092 footfall`,
    )
    .action(async (options: KafkaOptions, command: Command) => {
      if ((options.tls || options.sasl) && options.zookeeper) {
        command.error('--tls and --sasl are for KRaft: leave out --zookeeper');
      }
      await run(options, untilStopped);
    });
}

async function run(
  { port, tls = false, sasl = false, zookeeper = false, ...given }: KafkaOptions,
  untilStopped: Context['untilStopped'],
): Promise<void> {
  // Loads a Kafka client, which no other command needs.
  const [{ KAFKA_3, KAFKA_4 }, { developmentBroker }, { KafkaServer }] = await Promise.all([
    import('./kafka/kafka-jars.ts'),
    import('./kafka/kafka-listeners.ts'),
    import('./kafka/kafka-server.ts'),
  ]);
  const isSecured = tls || sasl;
  const version = given.kafkaVersion ?? (zookeeper ? KAFKA_3 : KAFKA_4);
  const mode = zookeeper ? '-zookeeper' : `${tls ? '-tls' : ''}${sasl ? '-sasl' : ''}`;
  const dataDir = resolve(given.dataDir ?? `data/kafka-${version}${mode}`);
  const development = isSecured ? developmentBroker(dataDir, { port, tls, sasl }) : undefined;
  // From now on a signal does not end this process at once, which would leave the broker behind.
  const stopped = untilStopped().then(() => undefined);
  const starting = KafkaServer.start({
    version,
    // The broker itself needs a listener without security.
    port: isSecured ? 0 : port,
    dataDir,
    zookeeper,
    ...(development && { secured: development.secured }),
    progress: (text) => console.log(text),
  });
  const server = await Promise.race([starting, stopped]);
  if (server !== undefined) {
    console.log(howToStart(development?.env ?? { KAFKA_BROKERS: server.bootstrap }));
    await stopped;
  }
  console.log('\nStopping Kafka…');
  // One that is still starting ends with this process.
  await server?.stop();
}

function portNumber(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port <= MAX_PORT) return port;
  throw new InvalidArgumentError(`It must be a number from 1 to ${MAX_PORT}.`);
}

function howToStart(env: Record<string, string>): string {
  const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const start =
    settings.length === 1
      ? `Start Footfall with ${settings[0]}.`
      : `Start Footfall with these settings, for example as lines of .env:\n\n${settings.join('\n')}\n`;
  return `${start}\nCtrl-C stops Kafka.`;
}
