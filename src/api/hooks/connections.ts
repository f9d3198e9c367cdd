// How connections end, and what is not taken as a request at all.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { ApiError } from '../../errors.ts';
import { answerOnSocket } from './error-responses.ts';

/** A body that is no longer than this is read to its end, and the connection stays. */
const READ_ON_BYTES = 100_000;
/** So long and so much of what its sender still sends is passed over, so that it gets to the answer. */
const LINGER_MS = 5000;
const LINGER_BYTES = 64_000_000;

export function keepConnectionsInOrder(api: FastifyInstance): void {
  api.server.on('checkContinue', (request, response) => {
    continueWhenRead(request, response);
    api.server.emit('request', request, response);
  });
  // Its target is no path, and what comes behind it would be for somebody else.
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
    // What is behind it may be read as another request than whoever passed it on has read.
    reply.header('Connection', 'close');
    done(new ApiError('bad_request'));
  });
  // Also of an answer that comes before the body has.
  api.addHook('onSend', (request, reply, payload, done) => {
    const { raw } = request;
    const length = Number(raw.headers['content-length'] ?? 0);
    const isLong = length > READ_ON_BYTES || raw.headers['transfer-encoding'] !== undefined;
    if (isLong && !raw.complete) {
      reply.header('Connection', 'close');
      linger(raw.socket, raw);
    }
    done(null, payload);
  });
}

/** Whether there is one way to read a request: one host (RFC 9112, 3.2), and a transfer coding that is undone (6.1). */
function isPlain({ rawHeaders, headers, url = '', httpVersion }: IncomingMessage): boolean {
  const hosts = rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'host');
  const coding = headers['transfer-encoding'];
  const isNamed = hosts.length === 1 || (hosts.length === 0 && httpVersion === '1.0');
  // A whole address names a host, too.
  const [, host = headers.host] = /^[a-z][a-z\d+.-]*:\/\/([^/?#]*)/i.exec(url) ?? [];
  return (
    isNamed && host === headers.host && (coding === undefined || coding.trim().toLowerCase() === 'chunked')
  );
}

/** A client that asks whether to send its body is told so when somebody begins to read it. */
function continueWhenRead(request: IncomingMessage, response: ServerResponse): void {
  const read = request._read;
  request._read = function (size) {
    request._read = read;
    if (!response.headersSent) response.writeContinue();
    read.call(this, size);
  };
}

/**
 * Closing a connection on which bytes arrive resets it, and the answer is lost with it. So this end says that it has
 * said all, and passes over what comes until the other end closes, within bounds.
 */
function linger(socket: Socket, request: IncomingMessage): void {
  socket.destroySoon = () => {
    const from = socket.bytesRead;
    socket.end();
    // A reader that is full, and is no longer read, would hold it back.
    request.unpipe();
    request.resume();
    const cut = () => socket.destroy();
    const timer = setTimeout(cut, LINGER_MS);
    const count = () => {
      if (socket.bytesRead - from > LINGER_BYTES) cut();
    };
    request.on('data', count);
    socket.once('close', () => clearTimeout(timer));
  };
}
