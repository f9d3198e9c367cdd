import { existsSync } from 'node:fs';
import { type Adapters, type Looking, openAdapters, openToLook } from '../adapters.ts';
import { type Config, loadConfig, withEnvFile } from '../config/config.ts';
import { createLogger } from '../observability/logger.ts';
import type { Context } from './context.ts';

/**
 * Does work on the log and the store of the settings, without a running service, and closes them.
 *
 * @param whyNotMemory what a store in memory means for the command
 * @throws Error for a store in memory, and where there is no data
 */
export async function withOwnAdapters<T>(
  context: Context,
  whyNotMemory: string,
  work: (adapters: Adapters, config: Config) => Promise<T>,
): Promise<T> {
  const config = configOf(context, whyNotMemory);
  return closing(await openAdapters(config, { logger: await quietLogger() }), (own) => work(own, config));
}

/** As `withOwnAdapters`, for work that changes nothing. @throws Error also where tables or the topic are missing or older */
export async function whileLooking<T>(
  context: Context,
  whyNotMemory: string,
  work: (found: Looking, config: Config) => Promise<T>,
): Promise<T> {
  const config = configOf(context, whyNotMemory);
  return closing(await openToLook(config, await quietLogger()), (found) => work(found, config));
}

function configOf({ env }: Context, whyNotMemory: string): Config {
  const config = loadConfig(withEnvFile(env));
  if (config.store.kind === 'memory')
    throw new Error(`a memory: store is gone with its process; ${whyNotMemory}`);
  if (config.brokers.length === 0 && !existsSync(config.dataFile)) {
    throw new Error(`there is no ${config.dataFile}: is DATA_DIR right?`);
  }
  return config;
}

function quietLogger() {
  return createLogger({ level: 'error', format: 'text' });
}

async function closing<Opened extends Looking, T>(
  opened: Opened,
  work: (opened: Opened) => Promise<T>,
): Promise<T> {
  try {
    return await work(opened);
  } finally {
    await opened.close();
  }
}
