import closeWithGrace from 'close-with-grace';
import { type Config, ConfigError, loadConfig, withEnvFile } from './config.ts';
import { createLogger } from './logger.ts';
import { realSurroundings, startService } from './service.ts';

/** Exit codes: 0 stopped cleanly, 1 failed or not stopped in time, 2 settings at fault. */
const EXIT_FAILED = 1;
const EXIT_SETTINGS = 2;

function logFormat({ LOG_FORMAT, NODE_ENV }: Config): 'json' | 'text' {
  if (LOG_FORMAT !== 'auto') return LOG_FORMAT;
  return process.stdout.isTTY || NODE_ENV === 'development' ? 'text' : 'json';
}

async function main(): Promise<void> {
  const config = loadConfig(withEnvFile(process.env));
  const logger = await createLogger({ level: config.LOG_LEVEL, format: logFormat(config) });
  const service = await startService(config, { ...realSurroundings, logger });
  process.on('SIGHUP', () => service.reloadKeys());
  closeWithGrace({ delay: config.SHUTDOWN_TIMEOUT_MS, logger, skip: ['SIGHUP'] }, async ({ err, signal }) => {
    if (err) logger.fatal({ err }, 'Footfall has failed and stops');
    else logger.info({ signal }, 'Footfall is stopping: a second signal ends it at once');
    await service.stop();
    logger.flush();
  });
}

main().catch((error: Error) => {
  // One message for a person, without a stack: what is wrong is outside this program.
  console.error(error instanceof ConfigError ? error.message : `Footfall cannot start: ${error.message}`);
  process.exit(error instanceof ConfigError ? EXIT_SETTINGS : EXIT_FAILED);
});
