import { once } from 'node:events';
import closeWithGrace from 'close-with-grace';
import { Workers } from './cluster/primary.ts';
import { WorkerChannel } from './cluster/worker-channel.ts';
import { type Config, ConfigError, loadConfig, withEnvFile } from './config/config.ts';
import { configuredLogger, type Logger } from './observability/logger.ts';
import { startService } from './service.ts';

/** Exit codes of the service: 0 stopped cleanly, 1 failed or not stopped in time, 2 invalid settings. */
const EXIT_FAILED = 1;
const EXIT_SETTINGS = 2;

interface Running {
  reload(): void;
  stop(): Promise<void>;
}

async function serve(): Promise<void> {
  const config = loadConfig(withEnvFile(process.env));
  const logger = await configuredLogger(config);
  process.once('exit', () => logger.flush());
  let stopWhenTold = () => {};
  const link = WorkerChannel.open(() => stopWhenTold());
  if (link === undefined) for (const warning of config.warnings) logger.warn(warning);
  const starting: Promise<Running> =
    config.workers > 0
      ? Promise.resolve(startWorkers(config, logger))
      : startService(config, { logger, link });
  // A signal during the start is handled once that is done. A start that fails is reported below.
  const running = starting.catch(() => undefined);
  process.on('SIGHUP', async () => (await running)?.reload());
  let stopping = false;
  const { close } = closeWithGrace(
    { delay: config.SHUTDOWN_DELAY_MS + config.SHUTDOWN_TIMEOUT_MS, logger, skip: ['SIGHUP'] },
    async ({ err, signal }) => {
      stopping = true;
      if (err) logger.fatal({ err }, 'Footfall has failed and stops');
      else if (signal) logger.info({ signal }, 'Footfall is stopping: a second signal ends it at once');
      await (await running)?.stop();
    },
  );
  stopWhenTold = () => void (stopping || close());
  await starting;
}

function startWorkers(config: Config, logger: Logger): Workers {
  const workers = new Workers(config, logger);
  workers.failed.then(async (code) => {
    await workers.stop();
    process.exit(code);
  });
  workers.start();
  return workers;
}

function untilStopped(): Promise<unknown> {
  return Promise.race(['SIGINT', 'SIGTERM'].map((signal) => once(process, signal)));
}

async function main(args: readonly string[]): Promise<void> {
  if (args.length === 0) return serve();
  // The service starts sooner without the commands.
  const { runCommand } = await import('./cli/program.ts');
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // What reads our output has seen enough, such as "head".
    if (error.code === 'EPIPE') process.exit(0);
    console.error(`The output cannot be written: ${error.message}`);
    process.exit(EXIT_FAILED);
  });
  const isWatched = process.stderr.isTTY;
  const context = { env: process.env, isWatched, serve, untilStopped, exitCode: 0 };
  const exitCode = await runCommand(args, context);
  if (exitCode === undefined) return;
  // An error of a write is reported after it.
  await new Promise(setImmediate);
  process.exit(exitCode);
}

main(process.argv.slice(2)).catch((error: Error) => {
  // A single message without a stack trace: the cause is outside this program.
  console.error(error instanceof ConfigError ? error.message : `Footfall cannot start: ${error.message}`);
  process.exit(error instanceof ConfigError ? EXIT_SETTINGS : EXIT_FAILED);
});
