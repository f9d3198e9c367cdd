/**
 * The store cannot be used just now; the same call can succeed later. The message is one line for a person: what is
 * wrong, and what to do where there is something to do. It holds no secret and no path of the program.
 */
export class StoreUnavailableError extends Error {
  /** Tells it from faults of the program, which are logged with their stack. */
  readonly code = 'store_unavailable';

  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = 'StoreUnavailableError';
  }
}
