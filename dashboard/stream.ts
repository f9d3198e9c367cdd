// Stored events as they come, for as long as somebody looks.
import { createParser } from 'eventsource-parser';
import { request, type UserEvent } from './api.ts';

const MOST_PAUSE_MS = 10_000;
const FIRST_PAUSE_MS = 500;

export type StreamState = 'connecting' | 'live' | 'waiting';

export interface StreamListener {
  onEvents(events: UserEvent[]): void;
  onState(state: StreamState): void;
}

/**
 * Follows `GET /events/stream` and comes back with the last id when the connection is lost. The browser's own
 * EventSource cannot send a key.
 *
 * @param query such as `userId=u1`
 * @returns ends it
 */
export function follow(query: string, { onEvents, onState }: StreamListener): () => void {
  const ending = new AbortController();
  let lastId = '';
  let pauseMs = FIRST_PAUSE_MS;

  async function read(): Promise<void> {
    const headers: Record<string, string> = lastId === '' ? {} : { 'Last-Event-ID': lastId };
    const response = await request(`/events/stream?${query}`, { headers, signal: ending.signal });
    onState('live');
    pauseMs = FIRST_PAUSE_MS;
    let events: UserEvent[] = [];
    const parser = createParser({
      onEvent({ event, data, id }) {
        if (id) lastId = id;
        if (event === undefined) events.push(JSON.parse(data) as UserEvent);
      },
    });
    const text = new TextDecoder();
    for await (const chunk of chunks(response.body!)) {
      const part = text.decode(chunk, { stream: true });
      parser.feed(part);
      // Ids without an event say how far we are, which the parser keeps to itself.
      lastId = /\nid: ([^\n]+)\n\n$/.exec(part)?.[1] ?? lastId;
      if (events.length > 0) onEvents(events);
      events = [];
    }
  }

  async function keepReading(): Promise<void> {
    while (!ending.signal.aborted) {
      onState('connecting');
      await read().catch(() => {});
      if (ending.signal.aborted) return;
      onState('waiting');
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      pauseMs = Math.min(MOST_PAUSE_MS, pauseMs * 2);
    }
  }

  keepReading();
  return () => ending.abort();
}

async function* chunks(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
}
