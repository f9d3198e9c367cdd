import { StoreUnavailableError } from '../event-store.ts';

/** The disk or the file, not the program: BUSY, LOCKED, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, NOTADB. */
const OUTAGES = [5, 6, 8, 10, 11, 13, 14, 26];

/** Runs work on a file. @throws StoreUnavailableError if the file or its disk fails; any other error as it is */
export function onFile<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    const { errcode, message } = error as Error & { errcode?: number };
    // The lower eight bits are the kind of error; the upper bits say which one.
    if (!OUTAGES.includes((errcode ?? 0) & 0xff)) throw error;
    throw new StoreUnavailableError(message.split('\n', 1)[0]!, { cause: error });
  }
}
