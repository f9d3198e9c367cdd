import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** What the tests use of the client: its types are of the browser, which nothing else here knows. */
export interface ClientModule {
  Footfall: new (options: ClientOptions) => Client;
}

export interface QueuedEvent {
  eventId: string;
  userId: string;
  eventType: string;
  payload: object;
}

export interface ClientOptions {
  url: string;
  key?: string;
  batchSize?: number;
  flushAfterMs?: number;
  maxQueued?: number;
  maxQueuedBytes?: number;
  timeoutMs?: number;
  paused?: boolean;
  reportDropped?: boolean;
  spool?: object;
  onDropped?: (events: QueuedEvent[], reasons: string[]) => void;
  onError?: (error: Error) => void;
}

export interface Client {
  readonly queued: number;
  track(userId: string, eventType: string, payload?: object): string;
  flush(): Promise<void>;
  saved(): Promise<boolean>;
  pause(): void;
  resume(): void;
  forget(): Promise<void>;
  close(withinMs?: number): Promise<void>;
}

/** The client as it is written, or as it is built. */
export async function loadClient(file = 'client/footfall.ts'): Promise<ClientModule> {
  return (await import(/* @vite-ignore */ pathToFileURL(resolve(file)).href)) as ClientModule;
}
