import { useEffect, useState } from 'preact/hooks';
import { apiKey, explain } from './api.ts';

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

/** Reads something again and again while it is shown, and while somebody looks at the page. */
export function usePolling<T>(read: () => Promise<T>, everyMs: number, ...depends: unknown[]): Polled<T> {
  const [state, setState] = useState<Polled<T>>(NOTHING);
  useEffect(() => {
    let isShown = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    async function readAgain(): Promise<void> {
      if (!document.hidden) {
        const next = await read().then(
          (value) => (): Polled<T> => ({ ...NOTHING, value, asOf: Date.now() }),
          (error) => (before: Polled<T>) => ({
            ...before,
            problem: explain(error),
            since: before.since ?? Date.now(),
          }),
        );
        if (!isShown) return;
        setState(next);
      }
      timer = setTimeout(readAgain, everyMs);
    }
    readAgain();
    return () => {
      isShown = false;
      clearTimeout(timer);
    };
  }, [everyMs, apiKey.value, ...depends]);
  return state;
}
