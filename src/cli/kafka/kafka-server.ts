import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Admin } from '../../log/kafka/client.ts';
import { freePort } from './free-port.ts';
import { kafkaJars } from './kafka-jars.ts';
import type { SecuredBroker } from './kafka-listeners.ts';
import { LOG4J, LOG4J2, properties } from './kafka-properties.ts';

export interface KafkaServerOptions {
  version: string;
  /** 0 picks a free one. */
  port: number;
  /** Holds configuration, log files and the topics' data; topics survive a restart in the same folder. */
  dataDir: string;
  /** Runs the broker on its own ZooKeeper instead of KRaft (Kafka 3.x only). */
  zookeeper?: boolean;
  /** Broker settings that override those below. */
  settings?: Record<string, string>;
  /** Listeners with TLS or SASL, besides the plain one (KRaft only). */
  secured?: SecuredBroker;
  /** Joins the cluster of this server as another broker, with its own node id (KRaft only). */
  joins?: { server: KafkaServer; nodeId: number };
  progress?(text: string): void;
}

/** A broker that cannot start exits, which is detected at once; this limit is for one that is slow. */
const START_TIMEOUT_MS = 300_000;
const JAVA_OPTIONS = ['-Xms128m', '-Xmx768m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=4'];

/** A real Apache Kafka broker, run from its jars: its own cluster, or another broker of an existing one. */
export class KafkaServer {
  readonly port: number;
  readonly #options: KafkaServerOptions;
  readonly #jars: string;
  readonly #sidePort: number;
  #broker: ChildProcess | undefined;
  #zookeeper: ChildProcess | undefined;

  private constructor(options: KafkaServerOptions, jars: string, port: number, sidePort: number) {
    this.#options = options;
    this.#jars = jars;
    this.port = port;
    this.#sidePort = sidePort;
  }

  /** Resolves when the broker answers. @throws MissingProgramError */
  static async start(options: KafkaServerOptions): Promise<KafkaServer> {
    const jars = await kafkaJars(options.version, options.progress ?? (() => {}));
    await mkdir(options.dataDir, { recursive: true });
    const port = options.port === 0 ? await freePort() : options.port;
    if (await canConnect(port))
      throw new Error(`port ${port} is taken: stop what uses it, or choose another`);
    const server = new KafkaServer(options, jars, port, await freePort());
    await server.#prepare();
    await server.startBroker();
    return server;
  }

  /** Kafka's command-line tools without a broker. */
  static async tools(version: string): Promise<Pick<KafkaServer, 'tool'>> {
    const jars = await kafkaJars(version, () => {});
    return new KafkaServer({ version, port: 0, dataDir: '' }, jars, 0, 0);
  }

  /** `host:port`, for `KAFKA_BROKERS`. */
  get bootstrap(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Restarts the broker after `kill` or `stopBroker`, on the same port and data. */
  async startBroker(): Promise<void> {
    const { dataDir, zookeeper } = this.#options;
    if (zookeeper && this.#zookeeper === undefined) {
      this.#zookeeper = this.#java(
        'org.apache.zookeeper.server.quorum.QuorumPeerMain',
        'zookeeper.properties',
        'zookeeper.log',
      );
      await this.#untilAnswers(this.#zookeeper, 'zookeeper.log', () => canConnect(this.#sidePort));
    }
    this.#broker = this.#java('kafka.Kafka', 'server.properties', 'server.log');
    await this.#untilAnswers(this.#broker, 'server.log', () => answersMetadata(this.bootstrap));
    this.#options.progress?.(
      `Apache Kafka ${this.#options.version} answers on ${this.bootstrap} (data in ${dataDir})`,
    );
  }

  /** kill -9: nothing is flushed, no clean shutdown. */
  async kill(): Promise<void> {
    await end(this.#broker, 'SIGKILL');
  }

  /** Freezes the broker: its sockets accept connections, but nothing answers. */
  pause(): void {
    this.#broker?.kill('SIGSTOP');
  }

  resume(): void {
    this.#broker?.kill('SIGCONT');
  }

  async stopBroker(): Promise<void> {
    await end(this.#broker, 'SIGTERM');
  }

  async stop(): Promise<void> {
    this.resume();
    await this.stopBroker();
    await end(this.#zookeeper, 'SIGTERM');
  }

  /** Runs one of Kafka's own command-line tools and resolves with its output. */
  async tool(mainClass: string, args: string[], input = ''): Promise<string> {
    const tool = spawn('java', ['-Xmx256m', '-cp', join(this.#jars, '*'), mainClass, ...args], {
      stdio: 'pipe',
    });
    let output = '';
    for (const stream of [tool.stdout, tool.stderr]) stream.on('data', (chunk) => (output += chunk));
    tool.stdin.end(input);
    const code = await new Promise((resolve) => tool.once('close', resolve));
    if (code !== 0) throw new Error(`${mainClass} ended with ${code}:\n${output}`);
    return output;
  }

  async #prepare(): Promise<void> {
    const { dataDir, zookeeper } = this.#options;
    await writeFile(join(dataDir, 'server.properties'), this.#brokerProperties());
    await writeFile(join(dataDir, 'log4j.properties'), LOG4J);
    await writeFile(join(dataDir, 'log4j2.properties'), LOG4J2);
    if (zookeeper) {
      await writeFile(
        join(dataDir, 'zookeeper.properties'),
        properties({
          dataDir: join(dataDir, 'zookeeper'),
          clientPort: String(this.#sidePort),
          clientPortAddress: '127.0.0.1',
          'admin.enableServer': 'false',
        }),
      );
      return;
    }
    const format = [
      'format',
      '--ignore-formatted',
      '-t',
      'Zm9vdGZhbGwtZGV2LWtrYQ',
      '-c',
      join(dataDir, 'server.properties'),
      ...(this.#options.secured?.scram ?? []).flatMap((user) => ['--add-scram', user]),
    ];
    await this.tool('kafka.tools.StorageTool', format);
  }

  #brokerProperties(): string {
    const { dataDir, settings, secured } = this.#options;
    return properties({
      ...this.#roleProperties(),
      'advertised.listeners': [`PLAINTEXT://127.0.0.1:${this.port}`, ...this.#securedListeners()].join(','),
      'log.dirs': join(dataDir, 'topics'),
      'num.partitions': '3',
      'offsets.topic.num.partitions': '5',
      'offsets.topic.replication.factor': '1',
      'transaction.state.log.replication.factor': '1',
      'transaction.state.log.min.isr': '1',
      'group.initial.rebalance.delay.ms': '0',
      ...secured?.settings,
      ...settings,
    });
  }

  #securedListeners(): string[] {
    const listeners = this.#options.secured?.listeners ?? [];
    return listeners.map(({ name, port }) => `${name}://localhost:${port}`);
  }

  #roleProperties(): Record<string, string> {
    const { zookeeper, joins } = this.#options;
    const listener = `PLAINTEXT://127.0.0.1:${this.port}`;
    const side = `127.0.0.1:${this.#sidePort}`;
    if (zookeeper) return { 'broker.id': '1', 'zookeeper.connect': side, listeners: listener };
    const secured = this.#options.secured?.listeners ?? [];
    const protocols = secured.map(({ name, protocol }) => `${name}:${protocol}`);
    const common = {
      'controller.quorum.voters': `1@127.0.0.1:${(joins?.server ?? this).#sidePort}`,
      'controller.listener.names': 'CONTROLLER',
      'listener.security.protocol.map': ['PLAINTEXT:PLAINTEXT', 'CONTROLLER:PLAINTEXT', ...protocols].join(
        ',',
      ),
    };
    return joins
      ? { ...common, 'process.roles': 'broker', 'node.id': String(joins.nodeId), listeners: listener }
      : {
          ...common,
          'process.roles': 'broker,controller',
          'node.id': '1',
          listeners: [listener, ...this.#securedListeners(), `CONTROLLER://${side}`].join(','),
        };
  }

  #java(mainClass: string, propertiesFile: string, logFile: string): ChildProcess {
    const { dataDir } = this.#options;
    const logging = [
      `-Dlog4j.configuration=file:${join(dataDir, 'log4j.properties')}`,
      `-Dlog4j2.configurationFile=${join(dataDir, 'log4j2.properties')}`,
    ];
    const args = [
      ...JAVA_OPTIONS,
      ...(this.#options.secured?.javaOptions ?? []),
      ...logging,
      '-cp',
      join(this.#jars, '*'),
      mainClass,
      join(dataDir, propertiesFile),
    ];
    // A process group of its own: Ctrl-C in a terminal would stop ZooKeeper while the broker still needs it.
    const child = spawn('java', args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const killAtExit = () => child.kill('SIGKILL');
    process.once('exit', killAtExit);
    child.once('exit', () => process.off('exit', killAtExit));
    const log = createWriteStream(join(dataDir, logFile), { flags: 'a' });
    child.stdout.pipe(log);
    child.stderr.pipe(log);
    return child;
  }

  async #untilAnswers(child: ChildProcess, logFile: string, answers: () => Promise<boolean>): Promise<void> {
    const giveUpAt = performance.now() + START_TIMEOUT_MS;
    while (!(await answers())) {
      if (child.exitCode !== null || performance.now() > giveUpAt) {
        const log = await readFile(join(this.#options.dataDir, logFile), 'utf8').catch(() => '');
        await this.stop();
        throw new Error(`Kafka did not start. The end of ${logFile}:\n${log.slice(-3000)}`);
      }
      await sleep(100);
    }
  }
}

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await ended;
}

async function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

async function answersMetadata(bootstrap: string): Promise<boolean> {
  const admin = new Admin({
    clientId: 'kafka-start',
    bootstrapBrokers: [bootstrap],
    retries: 0,
    connectTimeout: 500,
  });
  admin.on('error', () => {});
  try {
    return (await admin.metadata({ topics: [] })).brokers.size > 0;
  } catch {
    return false;
  } finally {
    await admin.close();
  }
}
