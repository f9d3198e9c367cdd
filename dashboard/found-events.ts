import { useEffect, useState } from 'preact/hooks';
import { apiKey, explain, readEvent, request, type UserEvent } from './api.ts';
import { elements } from './exact-json.ts';
import { isReturn } from './route.ts';

interface State {
  events: UserEvent[];
  isSearching: boolean;
  problem: string | undefined;
  /** The address of the next page; undefined at the end. */
  next: string | undefined;
}

export interface Found extends Omit<State, 'next'> {
  /** Undefined at the end. */
  more: (() => void) | undefined;
}

/** What was found for the last queries: who comes back from an event is where they were. */
const known = new Map<string, State>();
const MOST_KNOWN = 5;
const NOTHING: State = { events: [], isSearching: true, problem: undefined, next: undefined };

/** Pages of `GET /events/processed`, one after the other as they are asked for. */
export function useEvents(query: string): Found {
  const [state, setState] = useState<State>((isReturn && known.get(keyOf(query))) || NOTHING);

  async function read(address: string, before: State): Promise<void> {
    setState({ ...before, isSearching: true });
    try {
      const response = await request(address);
      const events = elements(await response.text()).map(readEvent);
      const next = /<(.*)>; rel="next"/.exec(response.headers.get('Link') ?? '')?.[1];
      const after = { ...NOTHING, events: [...before.events, ...events], isSearching: false, next };
      keep(query, after);
      setState(after);
    } catch (error) {
      setState({ ...before, isSearching: false, problem: explain(error) });
    }
  }

  useEffect(() => {
    if (state === NOTHING) read(`/events/processed?${query}`, NOTHING);
  }, []);
  const { next, isSearching } = state;
  return { ...state, more: next === undefined ? undefined : () => isSearching || read(next, state) };
}

/** What one key may read is not shown to another. */
const keyOf = (query: string) => `${apiKey.value} ${query}`;

function keep(query: string, state: State): void {
  known.delete(keyOf(query));
  known.set(keyOf(query), state);
  if (known.size > MOST_KNOWN) known.delete(known.keys().next().value!);
}
