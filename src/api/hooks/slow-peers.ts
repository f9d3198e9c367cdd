// Peers that hold memory and do not go on: bodies that hardly arrive, answers that nobody takes.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { clientErrorHandler } from './error-responses.ts';

/** The least of a body that must arrive in one window of time, if it is not whole by then. */
const WINDOW_BYTES = 10_000;
/** How often bodies are looked at in one window. */
const LOOKS = 5;

interface Arriving {
  request: IncomingMessage;
  answer: ServerResponse;
  since: number;
  bytesRead: number;
}

/** Cuts senders whose bodies hardly arrive. */
export class BodyPatience {
  readonly #windowMs: number;
  readonly #arriving = new Set<Arriving>();
  readonly #timer: NodeJS.Timeout;

  /** @param windowMs in which some of a body must arrive */
  constructor(windowMs: number) {
    this.#windowMs = windowMs;
    this.#timer = setInterval(() => this.#look(), windowMs / LOOKS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** From now on until the request is there, or over. */
  watch(request: IncomingMessage, answer: ServerResponse): void {
    if (request.complete) return;
    const arriving = { request, answer, since: performance.now(), bytesRead: request.socket.bytesRead };
    this.#arriving.add(arriving);
    const forget = () => this.#arriving.delete(arriving);
    request.once('end', forget);
    answer.once('close', forget);
  }

  #look(): void {
    const now = performance.now();
    for (const arriving of this.#arriving) {
      const { request, answer, since, bytesRead } = arriving;
      const { socket } = request;
      // What has arrived and is not read is for us to catch up with.
      const isOurs = request.complete || request.readableLength > 0 || answer.headersSent;
      const isEnough = socket.bytesRead - bytesRead >= WINDOW_BYTES;
      if (!isOurs && !isEnough && now - since < this.#windowMs) continue;
      if (isOurs || isEnough) Object.assign(arriving, { since: now, bytesRead: socket.bytesRead });
      else this.#cut(arriving);
    }
  }

  #cut(arriving: Arriving): void {
    this.#arriving.delete(arriving);
    const { socket } = arriving.request;
    clientErrorHandler(
      Object.assign(new Error('the body hardly arrives'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }),
      socket,
    );
    socket.destroySoon();
  }
}

/** Cuts a reader that takes nothing of its answer for so long. Waiting for what is not written yet is not its fault. */
export function cutIdleReader(answer: ServerResponse, timeoutMs: number): void {
  answer.setTimeout(timeoutMs, () => {
    if (answer.writableLength > 0 || (answer.socket?.writableLength ?? 0) > 0) answer.destroy();
    else answer.setTimeout(timeoutMs);
  });
}
