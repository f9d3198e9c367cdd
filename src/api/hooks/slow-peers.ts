// Peers that hold memory without making progress: bodies that hardly arrive, responses that nobody reads.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyRequest } from 'fastify';
import { clientErrorHandler } from './error-responses.ts';

/** The least of an incomplete body that must arrive within one window. */
const WINDOW_BYTES = 10_000;
/** How often peers are looked at in one window. */
const LOOKS = 5;

interface Peer {
  /** Its place among those that are watched; NOWHERE once it is forgotten. */
  place: number;
}

const NOWHERE = -1;

/**
 * Has each peer looked at several times per window, until it is forgotten. Not a set: with each request added and deleted,
 * it would make a new table every few requests, and the one before would keep what is in it until all of the heap is
 * collected. That took a tenth of the processor, and up to 100 MB.
 */
class Watch<Watched extends Peer> {
  readonly #peers: Watched[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(windowMs: number, look: (peer: Watched) => void) {
    const lookAtAll = () => {
      for (const peer of this.all()) look(peer);
    };
    this.#timer = setInterval(lookAtAll, windowMs / LOOKS).unref();
  }

  /** Those that are watched now. */
  all(): readonly Watched[] {
    return [...this.#peers];
  }

  add(peer: Watched): void {
    peer.place = this.#peers.push(peer) - 1;
  }

  forget(peer: Watched): void {
    if (peer.place === NOWHERE) return;
    const last = this.#peers.pop()!;
    if (last !== peer) {
      this.#peers[peer.place] = last;
      last.place = peer.place;
    }
    peer.place = NOWHERE;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

interface Arriving extends Peer {
  request: IncomingMessage;
  answer: ServerResponse;
  since: number;
  bytesRead: number;
}

/** Disconnects senders whose bodies hardly arrive. */
export class BodyPatience {
  readonly #windowMs: number;
  readonly #watch: Watch<Arriving>;

  /** @param windowMs within which some of a body must arrive */
  constructor(windowMs: number) {
    this.#windowMs = windowMs;
    this.#watch = new Watch(windowMs, (arriving) => this.#look(arriving));
  }

  stop(): void {
    this.#watch.stop();
  }

  /** From now until the request is complete or over. */
  watch(request: IncomingMessage, answer: ServerResponse): void {
    if (request.complete) return;
    const { bytesRead } = request.socket;
    const arriving = { request, answer, since: performance.now(), bytesRead, place: NOWHERE };
    this.#watch.add(arriving);
    const forget = () => this.#watch.forget(arriving);
    request.once('end', forget);
    answer.once('close', forget);
  }

  #look(arriving: Arriving): void {
    const now = performance.now();
    const { request, answer, since, bytesRead } = arriving;
    const { socket } = request;
    // Bytes that have arrived but were not read are our backlog, not the sender's.
    const isOurs = request.complete || request.readableLength > 0 || answer.headersSent;
    const isEnough = socket.bytesRead - bytesRead >= WINDOW_BYTES;
    if (isOurs || isEnough) Object.assign(arriving, { since: now, bytesRead: socket.bytesRead });
    else if (now - since >= this.#windowMs) this.#cut(arriving);
  }

  #cut(arriving: Arriving): void {
    this.#watch.forget(arriving);
    const { socket } = arriving.request;
    clientErrorHandler(
      Object.assign(new Error('the body hardly arrives'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }),
      socket,
    );
    socket.destroySoon();
  }
}

interface Reading extends Peer {
  request: FastifyRequest;
  answer: ServerResponse;
  /** Since when it has taken nothing of what is written. */
  since: number;
  taken: string;
}

/** Disconnects readers that take nothing of their responses. Waiting for what is not written yet is not their fault. */
export class ReaderPatience {
  readonly #windowMs: number;
  readonly #watch: Watch<Reading>;

  /** @param windowMs within which some of a response must be taken */
  constructor(windowMs: number) {
    this.#windowMs = windowMs;
    this.#watch = new Watch(windowMs, (reading) => {
      if (quietMs(reading) >= windowMs) this.#cut(reading);
    });
  }

  stop(): void {
    this.#watch.stop();
  }

  watch(request: FastifyRequest, answer: ServerResponse): void {
    const reading = { request, answer, since: performance.now(), taken: '', place: NOWHERE };
    this.#watch.add(reading);
    answer.once('close', () => this.#watch.forget(reading));
  }

  /**
   * Cuts a reader of the same caller that has taken nothing for a while.
   *
   * @returns whether there was one
   */
  giveWayTo({ caller }: FastifyRequest): boolean {
    let longest: Reading | undefined;
    for (const reading of this.#watch.all()) {
      const { hold, caller: other, method } = reading.request;
      if (hold === undefined || method === 'POST' || other?.name !== caller?.name) continue;
      if (longest === undefined || reading.since < longest.since) longest = reading;
    }
    if (longest === undefined || quietMs(longest) < this.#windowMs / LOOKS) return false;
    this.#cut(longest);
    return true;
  }

  #cut(reading: Reading): void {
    this.#watch.forget(reading);
    reading.answer.destroy();
    reading.request.hold?.leave();
  }
}

/** How long it has taken nothing, by the bytes the system has taken: the socket's own timer starts over after a write. */
function quietMs(reading: Reading): number {
  const { socket, writableLength } = reading.answer;
  const now = performance.now();
  const taken = socket === null ? '' : takenOf(socket);
  if (socket === null || writableLength + socket.writableLength === 0 || taken !== reading.taken) {
    Object.assign(reading, { since: now, taken });
  }
  return now - reading.since;
}

/** Changes whenever the system takes something of what is written, also of one large piece. */
function takenOf(socket: Socket & { _handle?: { writeQueueSize?: number } }): string {
  return `${socket.bytesWritten - socket.writableLength} ${socket._handle?.writeQueueSize}`;
}
