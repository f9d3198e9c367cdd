import { StoreUnavailableError } from '../event-store.ts';

/** The disk or the file, not the program: BUSY, LOCKED, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, NOTADB. */
const OUTAGES = [5, 6, 8, 10, 11, 13, 14, 26];

/** Runs work on a file. @throws StoreUnavailableError for what is wrong with the file or its disk; else as it is */
export function onFile<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    const { errcode, message } = error as Error & { errcode?: number };
    // Below it is which of them, in the upper bits of which kind.
    if (errcode === undefined || !OUTAGES.includes(errcode & 0xff)) throw error;
    throw new StoreUnavailableError(message.split('\n', 1)[0]!, { cause: error });
  }
}
