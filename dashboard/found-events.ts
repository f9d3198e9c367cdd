import { useEffect, useState } from 'preact/hooks';
import { explain, request, type UserEvent } from './api.ts';

export interface Found {
  events: UserEvent[];
  isSearching: boolean;
  problem: string | undefined;
  /** Undefined at the end. */
  more: (() => void) | undefined;
}

/** Pages of `GET /events/processed`, one after the other as they are asked for. */
export function useEvents(query: string): Found {
  const [state, setState] = useState<Omit<Found, 'more'>>({
    events: [],
    isSearching: true,
    problem: undefined,
  });
  const [next, setNext] = useState<string | undefined>(undefined);

  async function read(address: string): Promise<void> {
    setState((before) => ({ ...before, isSearching: true }));
    try {
      const response = await request(address);
      const events = (await response.json()) as UserEvent[];
      setNext(/<(.*)>; rel="next"/.exec(response.headers.get('Link') ?? '')?.[1]);
      setState((before) => ({
        events: [...before.events, ...events],
        isSearching: false,
        problem: undefined,
      }));
    } catch (error) {
      setState((before) => ({ ...before, isSearching: false, problem: explain(error) }));
    }
  }

  useEffect(() => {
    read(`/events/processed?${query}`);
  }, []);
  return { ...state, more: next === undefined ? undefined : () => read(next) };
}
