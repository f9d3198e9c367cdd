// Stored events as they come, for as long as somebody looks.
import { createParser } from 'eventsource-parser';
import { ApiError, explain, request } from './api.ts';

const MOST_PAUSE_MS = 10_000;
const FIRST_PAUSE_MS = 500;

/** `refused` is said with its reason: it is the key, or the service has no room. */
export type StreamState = 'connecting' | 'live' | 'waiting' | 'refused';

interface StreamListener {
  /** Resolves when more can be taken: until then nothing is read, and nothing lost. @param events as JSON */
  onEvents(events: string[]): Promise<void> | void;
  /** The store was restored or emptied: what follows may have been there before. */
  onReset(): void;
  onState(state: StreamState, why?: string): void;
}

/**
 * Follows `GET /events/stream` and comes back with the last id when the connection is lost. The browser's own
 * EventSource cannot send a key.
 *
 * @param query such as `userId=u1`
 * @returns ends it
 */
export function follow(query: string, { onEvents, onReset, onState }: StreamListener): () => void {
  const ending = new AbortController();
  let lastId = '';
  let pauseMs = FIRST_PAUSE_MS;

  async function read(): Promise<void> {
    const headers: Record<string, string> = lastId === '' ? {} : { 'Last-Event-ID': lastId };
    const response = await request(`/events/stream?${query}`, { headers, signal: ending.signal });
    onState('live');
    pauseMs = FIRST_PAUSE_MS;
    let events: string[] = [];
    const parser = createParser({
      onEvent({ event, data, id }) {
        if (id) lastId = id;
        if (event === 'reset') onReset();
        if (event === undefined) events.push(data);
      },
    });
    const text = new TextDecoder();
    for await (const chunk of chunks(response.body!)) {
      const part = text.decode(chunk, { stream: true });
      parser.feed(part);
      // Ids without an event say how far we are, which the parser keeps to itself.
      lastId = /\nid: ([^\n]+)\n\n$/.exec(part)?.[1] ?? lastId;
      if (events.length > 0) await onEvents(events);
      events = [];
    }
  }

  async function keepReading(): Promise<void> {
    while (!ending.signal.aborted) {
      const problem = await read().then(
        () => undefined,
        (error: unknown) => error,
      );
      if (ending.signal.aborted) return;
      if (problem instanceof ApiError) onState('refused', explain(problem));
      else onState('waiting');
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      pauseMs = Math.min(MOST_PAUSE_MS, pauseMs * 2);
    }
  }

  onState('connecting');
  keepReading();
  return () => ending.abort();
}

async function* chunks(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
}
