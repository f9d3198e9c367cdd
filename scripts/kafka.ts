import { resolve } from 'node:path';
import { Command } from 'commander';
import { KAFKA_3, KAFKA_4, MissingProgramError } from './kafka-jars.ts';
import { KafkaServer } from './kafka-server.ts';

const program = new Command()
  .name('npm run kafka --')
  .description('Starts a real one-node Apache Kafka for development, without Docker. Ctrl-C stops it.')
  .option('--port <number>', 'port for clients', '9092')
  .option('--data-dir <folder>', 'where topics are kept (default: ./data/kafka-<version>)')
  .option('--version <version>', 'Apache Kafka version, from Maven Central')
  .option('--zookeeper', `run on ZooKeeper instead of KRaft (takes Kafka ${KAFKA_3})`, false)
  .addHelpText(
    'after',
    `
Examples:
  npm run kafka
  npm run kafka -- --port 9192 --data-dir /tmp/kafka
  npm run kafka -- --zookeeper

Then, in another terminal:
  KAFKA_BROKERS=127.0.0.1:9092 npm start`,
  );

const options = program.parse().opts<{
  port: string;
  dataDir?: string;
  version?: string;
  zookeeper: boolean;
}>();
const version = options.version ?? (options.zookeeper ? KAFKA_3 : KAFKA_4);
const mode = options.zookeeper ? '-zookeeper' : '';

try {
  const server = await KafkaServer.start({
    version,
    port: Number(options.port),
    dataDir: resolve(options.dataDir ?? `data/kafka-${version}${mode}`),
    zookeeper: options.zookeeper,
    progress: (text) => console.log(text),
  });
  console.log(`Start Footfall on it:  KAFKA_BROKERS=${server.bootstrap} npm start\nCtrl-C stops Kafka.`);
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
