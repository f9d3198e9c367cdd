import { execFile } from 'node:child_process';
import { rename, rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Cluster } from './cluster.ts';

const run = promisify(execFile);

/** The data of a server as it was once, to be put in place of what it has become. */
export interface DataCopy {
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
export async function copyKafka({ kafka, kafkaFolder }: Cluster): Promise<DataCopy> {
  await kafka.stopBroker();
  const copy = await copyFolder(kafkaFolder);
  await kafka.startBroker();
  return {
    async restore() {
      await kafka.stopBroker();
      await copy.restore();
      await kafka.startBroker();
    },
  };
}
