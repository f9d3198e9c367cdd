import { existsSync } from 'node:fs';
import { type Adapters, openAdapters } from '../adapters.ts';
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
  { env }: Context,
  whyNotMemory: string,
  work: (adapters: Adapters, config: Config) => Promise<T>,
): Promise<T> {
  const config = loadConfig(withEnvFile(env));
  if (config.store.kind === 'memory')
    throw new Error(`a memory: store is gone with its process; ${whyNotMemory}`);
  if (config.brokers.length === 0 && !existsSync(config.dataFile)) {
    throw new Error(`there is no ${config.dataFile}: is DATA_DIR right?`);
  }
  const adapters = await openAdapters(config, {
    logger: await createLogger({ level: 'error', format: 'text' }),
  });
  try {
    return await work(adapters, config);
  } finally {
    await adapters.close();
  }
}
