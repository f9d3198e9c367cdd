import { setTimeout as sleep } from 'node:timers/promises';
import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import type { Admission } from '../admission.ts';
import type { BatchLimits } from '../batch.ts';
import type { Catalogue } from '../catalogue.ts';
import type { DeadLetters } from '../dead-letters.ts';
import { type ErrorCode, FootfallError } from '../errors.ts';
import type { Health } from '../health.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import type { Producer } from '../producer.ts';
import type { EventStore } from '../store/event-store.ts';
import type { StoredEvents } from '../stored-events.ts';
import { batchRoutes } from './batch-routes.ts';
import { deadLetterRoutes } from './dead-letter-routes.ts';
import { eventRoutes } from './event-routes.ts';
import { operationsRoutes } from './operations-routes.ts';

export interface ApiOptions {
  producer: Producer;
  admission: Admission;
  deadLetters: DeadLetters;
  store: EventStore;
  storedEvents: StoredEvents;
  catalogue: Catalogue;
  health: Health;
  metrics: Metrics;
  logger: Logger;
  maxBodyBytes: number;
  batchLimits: BatchLimits;
  /** False in an instance that only processes: it answers probes and metrics. */
  takesEvents: boolean;
  /** True from the moment a stop begins: requests on connections that are still open are turned away. */
  isDraining(): boolean;
}

/** How long a request that is turned away waits for its answer. */
const REJECTION_DELAY_MS = 1000;
const CLOSE_POLL_MS = 50;
/** How long a stop waits for the first request of a connection. */
const UNUSED_CONNECTION_MS = 1000;
const HEADERS_TIMEOUT_MS = 10_000;
/** For the whole of a request: a batch of 100 MB arrives in time at 7 Mbit/s. */
const REQUEST_TIMEOUT_MS = 120_000;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The most bytes a request of this route holds in memory; such requests are subject to admission. */
    holdsBytes?: number;
    /** True where events are sent: what is refused is counted by its error code. */
    takesEvents?: boolean;
  }
}

/** The HTTP surface. Not listening yet. */
export function createApi(options: ApiOptions): FastifyInstance {
  const api = Fastify({
    logger: false,
    bodyLimit: options.maxBodyBytes,
    // Answered below in the form of every other error.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: { headersTimeout: HEADERS_TIMEOUT_MS },
    clientErrorHandler,
    frameworkErrors: (error, _request, reply) =>
      sendError(reply, new FootfallError('bad_request', { cause: error })),
  });
  const paths = collectKnownPaths(api);
  api.addHook('onRequest', async (_request, reply) => {
    if (!options.isDraining()) return;
    reply.header('Connection', 'close');
    throw new FootfallError('draining');
  });
  api.addHook('onRequest', async ({ headers, routeOptions }, reply) => {
    const most = routeOptions.config.holdsBytes;
    if (most === undefined) return;
    try {
      const leave = options.admission.enter(Math.min(Number(headers['content-length'] ?? most), most));
      // However it ends: answered, aborted by the client, or cut.
      reply.raw.once('close', leave);
    } catch (error) {
      // Clients that come back at once would take the time of those that were admitted.
      await sleep(REJECTION_DELAY_MS);
      throw error;
    }
  });
  api.setErrorHandler((error: FastifyError | FootfallError, request, reply) => {
    const known = toFootfallError(error);
    if (request.routeOptions.config.takesEvents) options.metrics.eventsRejected.inc({ code: known.code });
    if (known.code === 'internal_error') options.logger.error({ err: error }, '[API] Request failed');
    if (known.code === 'overloaded') options.metrics.overloadRejections.inc();
    return sendError(reply, known);
  });
  api.setNotFoundHandler((request, reply) => answerUnrouted(request, reply, paths));
  // Bodies arrive as bytes: payloads are kept as they were written, and only UTF-8 is text.
  api.removeAllContentTypeParsers();
  api.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (_request: FastifyRequest, body: Buffer) => body,
  );
  if (options.takesEvents) {
    api.register(eventRoutes, options);
    api.register(batchRoutes, options);
    api.register(deadLetterRoutes, options);
  }
  api.register(operationsRoutes, options);
  return api;
}

/**
 * Stops listening, answers the requests at hand, and closes the connections.
 *
 * Node closes idle connections once, at the beginning. One that is busy then is idle a moment later and would
 * stay open, and so would one that was opened and has not sent anything yet.
 */
export async function closeApi(api: FastifyInstance, admission: Admission): Promise<void> {
  const cutUnusedAt = Date.now() + UNUSED_CONNECTION_MS;
  let closed = false;
  const closing = api.close().then(() => {
    closed = true;
  });
  while (!closed) {
    await Promise.race([closing, sleep(CLOSE_POLL_MS)]);
    api.server.closeIdleConnections();
    if (Date.now() > cutUnusedAt && admission.requests === 0) api.server.closeAllConnections();
  }
}

/** A path as requests have it, and the methods of its routes. */
interface KnownPath {
  url: string;
  pattern: RegExp;
  methods: string[];
}

function collectKnownPaths(api: FastifyInstance): KnownPath[] {
  const paths: KnownPath[] = [];
  api.addHook('onRoute', ({ url, method }) => {
    const pattern = new RegExp(`^${url.replaceAll(/:\w+/g, '[^/]+')}$`);
    paths.push({ url, pattern, methods: [method].flat() });
  });
  return paths;
}

function answerUnrouted(
  request: FastifyRequest,
  reply: FastifyReply,
  paths: readonly KnownPath[],
): FastifyReply {
  const path = request.url.split('?', 1)[0]!;
  const exact = paths.filter(({ url }) => url === path);
  const matching = exact.length > 0 ? exact : paths.filter(({ pattern }) => pattern.test(path));
  const methods = matching.flatMap((known) => known.methods);
  if (methods.length === 0) return sendError(reply, new FootfallError('endpoint_not_found'));
  reply.header('Allow', [...new Set(methods)].sort().join(', '));
  return sendError(reply, new FootfallError('method_not_allowed'));
}

/** By code, never by text. Anything unknown is our own failure and tells the caller nothing about the inside. */
const FRAMEWORK_ERRORS: Record<string, ErrorCode> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_EMPTY_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'bad_request',
};

function toFootfallError(error: FastifyError | FootfallError): FootfallError {
  if (error instanceof FootfallError) return error;
  const code = FRAMEWORK_ERRORS[error.code] ?? (isClientFault(error) ? 'bad_request' : 'internal_error');
  return new FootfallError(code, { cause: error });
}

function isClientFault({ statusCode }: FastifyError): boolean {
  return statusCode !== undefined && statusCode >= 400 && statusCode < 500;
}

/** `errors` lists what is wrong with an event; every other answer has one `error`. Code and retry are headers. */
function sendError(reply: FastifyReply, error: FootfallError): FastifyReply {
  reply
    .code(error.status)
    .header('Error-Code', error.code)
    .header('Error-Retryable', String(error.retryable));
  if (error.status >= 500) reply.header('Retry-After', String(error.retryAfterS));
  const problem = error.details ? { errors: error.details } : { error: error.message };
  return reply.type('application/json; charset=utf-8').send(JSON.stringify({ success: false, ...problem }));
}

const CLIENT_ERRORS: Record<string, ErrorCode> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
  HPE_HEADER_OVERFLOW: 'headers_too_large',
};

/** What is not HTTP, or does not arrive in time, never becomes a request: answered on the socket itself. */
function clientErrorHandler(error: Error & { code?: string }, socket: import('node:net').Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const known = new FootfallError(CLIENT_ERRORS[error.code ?? ''] ?? 'bad_request');
  const body = JSON.stringify({ success: false, error: known.message });
  socket.end(
    [
      `HTTP/1.1 ${known.status} ${known.code}`,
      'Content-Type: application/json; charset=utf-8',
      `Content-Length: ${Buffer.byteLength(body)}`,
      `Error-Code: ${known.code}`,
      `Error-Retryable: ${known.retryable}`,
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}
