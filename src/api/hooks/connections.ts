// How connections end, and what is rejected before it becomes a request.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { ApiError } from '../../errors.ts';
import { senderOf } from './admit.ts';
import { answerOnSocket } from './error-responses.ts';
import { LingerTurns } from './linger-turns.ts';

/** An unread body up to this length is read to its end, and the connection is kept. */
const READ_ON_BYTES = 100_000;
/** How long, and how much, incoming data is discarded so that its sender gets to read the response. */
const LINGER_MS = 5000;
const LINGER_BYTES = 64_000_000;
/** How long a connection waits for its turn. */
const QUEUE_MS = 15_000;

export function keepConnectionsInOrder(api: FastifyInstance): void {
  api.server.on('checkContinue', (request, response) => {
    continueWhenRead(request, response);
    api.server.emit('request', request, response);
  });
  // Its target is not a path, and the bytes after it would be meant for another server.
  api.server.on('connect', (_request, socket) => {
    socket.on('error', () => socket.destroy());
    answerOnSocket(socket, new ApiError('method_not_allowed', { message: 'This is no proxy' }));
  });
  const unmet = new WeakSet<IncomingMessage>();
  api.server.on('checkExpectation', (request, response) => {
    unmet.add(request);
    api.server.emit('request', request, response);
  });
  api.addHook('onRequest', (request, reply, done) => {
    if (unmet.has(request.raw)) return done(new ApiError('expectation_failed'));
    if (isPlain(request.raw)) return done();
    // The bytes after it may be parsed as a different request than a proxy in front parsed (request smuggling).
    reply.header('Connection', 'close');
    done(new ApiError('bad_request'));
  });
  const turns = new LingerTurns();
  // Including responses sent before the body has arrived.
  api.addHook('onSend', (request, reply, payload, done) => {
    const { raw } = request;
    const length = Number(raw.headers['content-length'] ?? 0);
    const isLong = length > READ_ON_BYTES || raw.headers['transfer-encoding'] !== undefined;
    if (isLong && !raw.complete) {
      reply.header('Connection', 'close');
      linger(raw, senderOf(request), turns);
    }
    done(null, payload);
  });
}

/** Whether a request is unambiguous: a single host (RFC 9112, 3.2) and a transfer coding we can decode (6.1). */
function isPlain({ rawHeaders, headers, url = '', httpVersion }: IncomingMessage): boolean {
  const hosts = rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'host');
  const coding = headers['transfer-encoding'];
  const isNamed = hosts.length === 1 || (hosts.length === 0 && httpVersion === '1.0');
  // An absolute URL names a host too.
  const [, host = headers.host] = /^[a-z][a-z\d+.-]*:\/\/([^/?#]*)/i.exec(url) ?? [];
  return (
    isNamed && host === headers.host && (coding === undefined || coding.trim().toLowerCase() === 'chunked')
  );
}

/** A client that sends `Expect: 100-continue` is told to go on when its body is first read. */
function continueWhenRead(request: IncomingMessage, response: ServerResponse): void {
  const read = request._read;
  request._read = function (size) {
    request._read = read;
    if (!response.headersSent) response.writeContinue();
    read.call(this, size);
  };
}

/**
 * Closing a connection on which bytes are still arriving resets it, which loses the response. So this end half-closes
 * and discards what arrives until the other end closes, within bounds.
 */
function linger(request: IncomingMessage, sender: string, turns: LingerTurns): void {
  const { socket } = request;
  socket.destroySoon = () => {
    // Node may call it again, also for a connection that has closed meanwhile.
    socket.destroySoon = () => {};
    if (socket.destroyed) return;
    const from = socket.bytesRead;
    socket.end();
    // A full stream that nobody reads would block it.
    request.unpipe();
    request.pause();
    const cut = () => socket.destroy();
    let timer = setTimeout(cut, QUEUE_MS);
    socket.once('close', () => clearTimeout(timer));
    turns.take(socket, sender, () => {
      clearTimeout(timer);
      timer = setTimeout(cut, LINGER_MS);
      request.on('data', () => {
        if (socket.bytesRead - from > LINGER_BYTES) cut();
      });
      request.resume();
    });
  };
}
