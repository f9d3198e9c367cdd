import { randomUUID } from 'node:crypto';
import { KAFKA_4, kafkaJars } from '../../src/cli/kafka/kafka-jars.ts';
import { same, typesAndUsers } from './check.ts';
import type { Running, TestCluster } from './ground.ts';
import { fromGo, fromJava, fromNpm, fromPyPi, kcat } from './install.ts';
import type { Program, Row } from './row.ts';

const USERS = Array.from({ length: 8 }, (_, number) => `Jürgen ${number}`);

const CHECKED = 'writes and reads the topic';

/** A record as a client has read it; `type` is its header `event-type`, empty where there is none. */
interface ReadRecord {
  user: string;
  partition: number;
  type: string;
}

/** What a client does: writes a LOGOUT of each user, and reads all there is then. */
type Use = (program: Program, ground: TestCluster, topic: Topic) => Promise<ReadRecord[]>;

interface Topic {
  brokers: string;
  name: string;
}

function kafkaRow(
  row: Pick<Row, 'name' | 'version' | 'install'>,
  { setting, use = useProgram }: { setting?: string; use?: Use } = {},
): Row {
  return {
    ...row,
    isQuick: false,
    checked: setting === undefined ? CHECKED : `${CHECKED}; ${setting}`,
    check: async (program, ground) => {
      const { bootstrap: brokers } = await ground.kafka();
      const topic = { brokers, name: `clients-${randomUUID()}` };
      const service = await ground.service({ KAFKA_BROKERS: brokers, KAFKA_TOPIC: topic.name });
      await sendLogins(service);
      checkRecords(await use(program, ground, topic));
      const wanted = USERS.flatMap((user) => [`LOGIN of ${user}`, `LOGOUT of ${user}`]);
      same('stored', typesAndUsers(await service.storedAtLeast(wanted.length)), wanted.sort());
    },
  };
}

async function sendLogins({ url }: Running): Promise<void> {
  const events = USERS.map((userId) => ({ userId, eventType: 'LOGIN' }));
  const headers = { 'Content-Type': 'application/json' };
  const answer = await fetch(`${url}/events/batch`, {
    method: 'POST',
    headers,
    body: JSON.stringify(events),
  });
  same('Footfall answered', answer.status, 201);
}

function checkRecords(records: readonly ReadRecord[]): void {
  for (const user of USERS) {
    const own = records.filter((record) => record.user === user);
    same(`records of ${user}`, own.map(({ type }) => type).sort(), ['', 'LOGIN']);
    same(`partitions of ${user}`, new Set(own.map(({ partition }) => partition)).size, 1);
  }
}

async function useProgram(
  program: Program,
  ground: TestCluster,
  { brokers, name }: Topic,
): Promise<ReadRecord[]> {
  const env = { KAFKA_BROKERS: brokers, KAFKA_TOPIC: name, USERS: JSON.stringify(USERS) };
  return (await ground.run<{ records: ReadRecord[] }>(program, env)).records;
}

/** By the line of docs/api.md. */
async function useKcat(
  program: Program,
  ground: TestCluster,
  { brokers, name }: Topic,
): Promise<ReadRecord[]> {
  const common = ['-b', brokers, '-t', name];
  const write = { ...program, args: ['-P', ...common, '-K:', '-X', 'partitioner=murmur2_random'] };
  await ground.output(write, {}, linesOfLogouts(':'));
  const read = { ...program, args: ['-C', '-q', '-e', ...common, '-f', '%k\t%p\t%h\n'] };
  const lines = (await ground.output(read, {})).trim().split('\n');
  return lines.map((line) => {
    const [user = '', partition, headers = ''] = line.split('\t');
    return { user, partition: Number(partition), type: /event-type=([^,]*)/.exec(headers)?.[1] ?? '' };
  });
}

async function useConsole(
  _program: Program,
  ground: TestCluster,
  { brokers, name }: Topic,
): Promise<ReadRecord[]> {
  const kafka = await ground.kafka();
  const common = ['--bootstrap-server', brokers, '--topic', name];
  const separator = ['--property', 'parse.key=true', '--property', 'key.separator=:'];
  const producer = 'org.apache.kafka.tools.ConsoleProducer';
  await kafka.tool(producer, [...common, ...separator], linesOfLogouts(':'));
  const printed = ['key', 'partition', 'headers'].flatMap((what) => ['--property', `print.${what}=true`]);
  const read = ['--from-beginning', '--isolation-level', 'read_committed'];
  const most = ['--max-messages', String(2 * USERS.length)];
  const consumer = 'org.apache.kafka.tools.consumer.ConsoleConsumer';
  const output = await kafka.tool(consumer, [...common, ...printed, ...read, ...most]);
  return output
    .split('\n')
    .filter((line) => line.startsWith('Partition:'))
    .map((line) => {
      const [partition, headers = '', user = ''] = line.split('\t');
      const type = /event-type:([^,]*)/.exec(headers)?.[1] ?? '';
      return { user, partition: Number(partition!.slice('Partition:'.length)), type };
    });
}

/** A line for each event: key, separator, JSON. */
function linesOfLogouts(separator: string): string {
  const lines = USERS.map((userId) => {
    const event = { eventId: randomUUID(), userId, eventType: 'LOGOUT', timestamp: new Date(), payload: {} };
    return `${userId}${separator}${JSON.stringify(event)}`;
  });
  return `${lines.join('\n')}\n`;
}

const kafkaJarsHere = () => kafkaJars(KAFKA_4, () => {});
const MURMUR2 = { setting: '`partitioner=murmur2_random`' };

export const KAFKA_ROWS: Row[] = [
  kafkaRow({ name: 'kcat', version: 'of Debian', install: kcat }, { ...MURMUR2, use: useKcat }),
  kafkaRow(
    {
      name: 'confluent-kafka (Python)',
      version: '2.16.1',
      install: () => fromPyPi('confluent.py', 'confluent-kafka==2.16.1'),
    },
    MURMUR2,
  ),
  kafkaRow({ name: 'confluent-kafka-go', version: 'v2.11.1', install: () => fromGo('confluent') }, MURMUR2),
  kafkaRow({
    name: 'kafka-python',
    version: '3.0.12',
    install: () => fromPyPi('kafka_python.py', 'kafka-python==3.0.12'),
  }),
  kafkaRow({ name: 'franz-go', version: 'v1.22.3', install: () => fromGo('franz') }),
  kafkaRow({ name: 'kafkajs', version: '2.2.4', install: () => fromNpm('kafkajs.js', 'kafkajs@2.2.4') }),
  kafkaRow({
    name: 'kafka-clients (Java)',
    version: KAFKA_4,
    install: async () => fromJava('KafkaClient.java', await kafkaJarsHere()),
  }),
  kafkaRow(
    {
      name: 'kafka-console-producer',
      version: KAFKA_4,
      install: async () => fromJava('KafkaClient.java', await kafkaJarsHere()),
    },
    { setting: '`parse.key=true`', use: useConsole },
  ),
];
