import { execFile } from 'node:child_process';
import { rename, rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Cluster } from './cluster.ts';
import { until } from './fault.ts';
import { readEnds } from './read-history.ts';

const run = promisify(execFile);

const STARTS_WITHIN_MS = 120_000;

/** The data of a server as it was once, to be put in place of what it has become. */
interface DataCopy {
  restore(): Promise<void>;
}

async function copyFolder(folder: string): Promise<DataCopy> {
  const copy = `${folder}-copy`;
  // With its owners, and nothing of its times or holes changed.
  await run('cp', ['-a', folder, copy]);
  return {
    async restore() {
      await rm(folder, { recursive: true });
      await rename(copy, folder);
    },
  };
}

/** Stops PostgreSQL for as long as its data is copied. */
export async function copyPostgres({ postgres, postgresFolder }: Cluster): Promise<DataCopy> {
  await postgres.stop();
  const copy = await copyFolder(postgresFolder);
  await postgres.restart();
  return {
    async restore() {
      await postgres.stop();
      await copy.restore();
      await postgres.restart();
    },
  };
}

/** Stops the broker for as long as its data is copied. */
export async function copyKafka(cluster: Cluster): Promise<DataCopy> {
  const { kafka, kafkaFolder } = cluster;
  const startAgain = async () => {
    await kafka.startBroker();
    await untilRead(cluster);
  };
  await kafka.stopBroker();
  const copy = await copyFolder(kafkaFolder);
  await startAgain();
  return {
    async restore() {
      await kafka.stopBroker();
      await copy.restore();
      await startAgain();
    },
  };
}

/** A broker that has just started does not lead its partitions yet, the longer the busier the machine is. */
async function untilRead(cluster: Cluster): Promise<void> {
  let failure: unknown;
  const isRead = () =>
    readEnds(cluster).then(
      () => true,
      (error: unknown) => {
        failure = error;
        return false;
      },
    );
  if (!(await until(isRead, STARTS_WITHIN_MS))) throw failure;
}
