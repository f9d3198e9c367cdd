import { describeCause } from '../../describe-cause.ts';
import type { Logger } from '../../observability/logger.ts';

interface RereadOptions<T> {
  path: string;
  load(path: string): T;
  /** Where the path comes from. */
  setting: string;
  logger: Logger;
}

/** A file that others renew while we run. If it cannot be read again, what it held before remains in use. */
export class RereadFile<T> {
  readonly #options: RereadOptions<T>;
  #content: T;
  #failure: string | undefined;

  /** @throws Error naming the setting, if the file cannot be read */
  constructor(options: RereadOptions<T>) {
    this.#options = options;
    try {
      this.#content = options.load(options.path);
    } catch (error) {
      throw new Error(`${options.setting} cannot be read: ${describeCause(error)}`, { cause: error });
    }
  }

  read(): T {
    try {
      this.#content = this.#options.load(this.#options.path);
      this.#failure = undefined;
    } catch (error) {
      this.#warn(error as Error);
    }
    return this.#content;
  }

  /** Once for each reason, and not for each connection. */
  #warn(error: Error): void {
    if (error.message === this.#failure) return;
    this.#failure = error.message;
    const { setting, logger } = this.#options;
    logger.warn({ err: error }, `${setting} cannot be read again: what it held before is used`);
  }
}
