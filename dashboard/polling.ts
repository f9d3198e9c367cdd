import { useEffect, useState } from 'preact/hooks';
import { ApiError, apiKey, explain } from './api.ts';

export interface Polled<T> {
  value: T | undefined;
  /** When `value` was read; milliseconds since 1970. */
  asOf: number | undefined;
  /** Why it cannot be read; what was read last stays. */
  problem: string | undefined;
  /** When reading failed first. */
  since: number | undefined;
}

const NOTHING = { value: undefined, asOf: undefined, problem: undefined, since: undefined };

const RETRY_MS = 10_000;

/** Nobody looks at the page. */
const UNREAD = Symbol('unread');

/** Reads something again and again while it is shown, and while somebody looks at the page. */
export function usePolling<T>(
  read: (isGone: AbortSignal) => Promise<T>,
  everyMs: number,
  ...depends: unknown[]
): Polled<T> {
  return usePauses(read, () => everyMs, everyMs, ...depends);
}

/** Reads what takes long once, and again only after a failure that may pass. */
export function useReading<T>(read: (isGone: AbortSignal) => Promise<T>, ...depends: unknown[]): Polled<T> {
  return usePauses(read, (failure) => (mayPass(failure) ? RETRY_MS : undefined), ...depends);
}

/** Without an answer it is the network, or a service that is down. */
function mayPass(failure: unknown): boolean {
  return failure !== undefined && (!(failure instanceof ApiError) || failure.retryable);
}

/** The signal of something that takes long: nobody wants it any more, or it takes too long. */
export function untilGone(isGone: AbortSignal, patienceMs: number): AbortSignal {
  return AbortSignal.any([isGone, AbortSignal.timeout(patienceMs)]);
}

/** @param pauseAfter how long until it is read again; undefined: it is not. Takes why it was not read, if so */
function usePauses<T>(
  read: (isGone: AbortSignal) => Promise<T>,
  pauseAfter: (failure: unknown) => number | undefined,
  ...depends: unknown[]
): Polled<T> {
  const [state, setState] = useState<Polled<T>>(NOTHING);
  useEffect(() => {
    const gone = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    async function readAgain(): Promise<void> {
      let failure: unknown = UNREAD;
      if (!document.hidden) {
        const next = await read(gone.signal).then(
          (value) => {
            failure = undefined;
            return (): Polled<T> => ({ ...NOTHING, value, asOf: Date.now() });
          },
          (error) => {
            failure = error;
            return (before: Polled<T>) => ({
              ...before,
              problem: explain(error),
              since: before.since ?? Date.now(),
            });
          },
        );
        if (gone.signal.aborted) return;
        setState(next);
      }
      const pauseMs = pauseAfter(failure);
      if (pauseMs !== undefined) timer = setTimeout(readAgain, pauseMs);
    }
    readAgain();
    return () => {
      gone.abort();
      clearTimeout(timer);
    };
  }, [apiKey.value, ...depends]);
  return state;
}
