/**
 * The store is currently unavailable; the same call can succeed later. The message is one line for a person: what is
 * wrong, and what to do if anything. It contains no secrets and no paths of the program.
 */
export class StoreUnavailableError extends Error {
  /** Distinguishes it from bugs, which are logged with their stack. */
  readonly code = 'store_unavailable';

  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = 'StoreUnavailableError';
  }
}
