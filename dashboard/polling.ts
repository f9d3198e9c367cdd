import { useEffect, useState } from 'preact/hooks';
import { apiKey, explain } from './api.ts';

export interface Polled<T> {
  value: T | undefined;
  /** Why it could not be read just now; what was read last stays. */
  problem: string | undefined;
}

/** Reads something again and again while it is shown, and while somebody looks at the page. */
export function usePolling<T>(read: () => Promise<T>, everyMs: number, ...depends: unknown[]): Polled<T> {
  const [state, setState] = useState<Polled<T>>({ value: undefined, problem: undefined });
  useEffect(() => {
    let isShown = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    async function readAgain(): Promise<void> {
      if (!document.hidden) {
        const next = await read().then(
          (value) => ({ value, problem: undefined }),
          (error) => ({ problem: explain(error) }),
        );
        if (!isShown) return;
        setState((before) => ({ ...before, ...next }));
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
