import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { QueuedEvent } from '../../client/event.ts';
import type { ClientOptions } from '../../client/options.ts';

export type { ClientOptions, QueuedEvent };

/** What the tests use of the client: the whole of it has types of the browser, which nothing else here knows. */
export interface ClientModule {
  Footfall: new (options: ClientOptions) => Client;
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
