import type { Connection } from '@platformatic/kafka';
import { connectionsConnectsChannel } from './client.ts';

/** How long a failure explains why connections were closed. */
const RECENT_MS = 10_000;

/** The connections of one log's clients, of which the client tells through its diagnostics channel. */
export class Connections {
  /** Where the client is connecting to, while it reads the options for that connection. */
  host = '';
  /** A broker has answered. */
  worked = false;
  #failure: { error: Error; at: number } | undefined;

  /** Why a connection failed lately. Requests on it only learn that it was closed. */
  get failure(): Error | undefined {
    const { error, at } = this.#failure ?? { error: undefined, at: Number.NEGATIVE_INFINITY };
    return performance.now() - at < RECENT_MS ? error : undefined;
  }

  connecting(host: string, connection: Connection): void {
    this.host = host;
    // A connection that failed can fail again while it ends. Unhandled, that would end the process.
    connection.on('error', (error) => {
      this.#failure = { error, at: performance.now() };
    });
    // The client leaves the timer of the next login running when a broker closes the connection: it would then drop
    // its successor from the pool. Closing again stops the timer.
    connection.on('close', () => connection.close().catch(() => {}));
  }
}

connectionsConnectsChannel.start.subscribe((message) => {
  const { host, connection } = message as { host: string; connection: Connection };
  if (connection.context instanceof Connections) connection.context.connecting(host, connection);
});
