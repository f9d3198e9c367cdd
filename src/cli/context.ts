/** The process that a command runs in. */
export interface Context {
  /** The environment, without the `.env` file. */
  env: Record<string, string | undefined>;
  /** Whether a person watches standard error, so that progress may be shown there. */
  isWatched: boolean;
  /** Starts the service in this process. */
  serve(): Promise<void>;
  /** Resolves when the process is told to stop, as by Ctrl-C. */
  untilStopped(): Promise<unknown>;
  /** What the process ends with; undefined: it goes on. */
  exitCode: number | undefined;
}

/** Exit codes: 0 as wanted, 1 something is wrong, 2 the command or the settings are. */
export const FAILED = 1;
export const MISUSED = 2;

/** Shows how far long work is, on one line that changes. */
export function showProgress({ isWatched }: Context, text: string): void {
  if (isWatched) process.stderr.write(`\r${text}`);
}
