import { createParser, type EventSourceMessage } from 'eventsource-parser';

/** A reader of `GET /events/stream`. */
export interface StreamReader {
  /** What came so far. */
  messages: EventSourceMessage[];
  /** The last id given, with an event or without. */
  lastId: string | undefined;
  /** Resolves when the connection has ended, whoever ended it. */
  ended: Promise<void>;
  close(): void;
}

/**
 * @param messages where they are put
 * @throws when the answer is not 200
 */
export async function readStream(
  url: string,
  headers: Record<string, string> = {},
  messages: EventSourceMessage[] = [],
): Promise<StreamReader> {
  const abort = new AbortController();
  const response = await fetch(url, { headers, signal: abort.signal });
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
  const reader: StreamReader = {
    messages,
    lastId: undefined,
    ended: Promise.resolve(),
    close: () => abort.abort(),
  };
  const parser = createParser({
    onEvent: (message) => {
      reader.messages.push(message);
    },
  });
  reader.ended = (async () => {
    const text = new TextDecoder();
    try {
      for await (const chunk of response.body!) {
        const part = text.decode(chunk, { stream: true });
        reader.lastId =
          part
            .match(/^id: (.*)$/gm)
            ?.at(-1)
            ?.slice('id: '.length) ?? reader.lastId;
        parser.feed(part);
      }
    } catch {
      // Cut, by us or by the service.
    }
  })();
  return reader;
}

/**
 * Reads a stream from its first event on, over as many connections as it takes. The service cuts who takes nothing for a
 * while, and a slow machine may have no time for a reader that would.
 */
export async function followStream(url: string): Promise<Pick<StreamReader, 'messages' | 'close'>> {
  let isClosed = false;
  let current = await readStream(`${url}?after=0`);
  const { messages } = current;
  const comeBack = async (): Promise<void> => {
    await current.ended;
    if (isClosed) return;
    const lastId = messages.at(-1)?.id;
    current = await readStream(`${url}?after=0`, lastId ? { 'Last-Event-ID': lastId } : {}, messages);
    if (isClosed) current.close();
    return comeBack();
  };
  comeBack();
  return {
    messages,
    close() {
      isClosed = true;
      current.close();
    },
  };
}

/** How many readers the service has, by its own count. */
export async function openStreams(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^footfall_streams_open (\d+)$/m.exec(metrics)![1]);
}
