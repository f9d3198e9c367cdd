import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { PostgresServer } from '../../scripts/postgres-server.ts';
import {
  KAFKA_3,
  KAFKA_4,
  MissingProgramError,
  requireJavaAndMaven,
} from '../../src/cli/kafka/kafka-jars.ts';
import { KafkaServer } from '../../src/cli/kafka/kafka-server.ts';
import { hasOldestPostgres, startOldestPostgres } from './oldest-postgres.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** `host:port` of real brokers; undefined where there is no Java to run them. */
    kafka4: string | undefined;
    kafka3: string | undefined;
    /** Address of a real PostgreSQL server, without a database name. */
    postgres: string;
    /** As `postgres`, of the oldest release that is supported; undefined where it is not there, and in other projects. */
    postgres13: string | undefined;
  }
}

/** Starts the real servers once for all test files of a project. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'footfall-test-'));
  // As root, PostgreSQL runs as a user of its own, who must get in.
  await chmod(folder, 0o755);
  const postgres = await PostgresServer.start(join(folder, 'postgres'));
  const isContract = project.name === 'contract';
  const oldest =
    isContract && canRunOldest() ? await startOldestPostgres(join(folder, 'postgres-13')) : undefined;
  const kafka = (await canRunKafka()) ? await startKafka(folder, isContract) : [];
  project.provide('postgres', postgres.url);
  project.provide('postgres13', oldest?.url);
  project.provide('kafka4', kafka[0]?.bootstrap);
  project.provide('kafka3', kafka[1]?.bootstrap);
  return async () => {
    await Promise.all([postgres, ...(oldest ? [oldest] : []), ...kafka].map((server) => server.stop()));
    await rm(folder, { recursive: true, force: true });
  };
}

async function startKafka(folder: string, both: boolean): Promise<KafkaServer[]> {
  const progress = (text: string) => console.log(text);
  const four = KafkaServer.start({ version: KAFKA_4, port: 0, dataDir: join(folder, 'kafka-4'), progress });
  if (!both) return [await four];
  const dataDir = join(folder, 'kafka-3');
  return Promise.all([
    four,
    KafkaServer.start({ version: KAFKA_3, port: 0, dataDir, zookeeper: true, progress }),
  ]);
}

/** As for Java, below. */
function canRunOldest(): boolean {
  if (hasOldestPostgres()) return true;
  const why = 'PostgreSQL 13 is not in .cache (CONTRIBUTING.md says how to get it)';
  if (process.env.CI === 'true') throw new Error(why);
  console.warn(`\nLEFT OUT: every test on the oldest PostgreSQL. ${why}\n`);
  return false;
}

/** Without Java everything else still runs on a laptop; CI must not leave anything out. */
async function canRunKafka(): Promise<boolean> {
  try {
    await requireJavaAndMaven();
    return true;
  } catch (error) {
    if (!(error instanceof MissingProgramError) || process.env.CI === 'true') throw error;
    console.warn(`\nLEFT OUT: every test that needs Apache Kafka. ${error.message}\n`);
    return false;
  }
}
