import { setTimeout as sleep } from 'node:timers/promises';
import cors from '@fastify/cors';
import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyRequest,
  type FastifyServerFactory,
} from 'fastify';
import type { Admission } from '../access/admission.ts';
import { ApiError } from '../errors.ts';
import { MAX_ID_LENGTH } from '../events/event.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Tracing } from '../observability/tracing.ts';
import type { Certificate } from './certificate.ts';
import { pageRoutes } from './dashboard-routes.ts';
import { type AccessOptions, registerAuthentication } from './hooks/access.ts';
import { type AdmitOptions, admit, giveUp } from './hooks/admit.ts';
import { keepConnectionsInOrder } from './hooks/connections.ts';
import { clientErrorHandler, StoreOutages, sendError, toApiError } from './hooks/error-responses.ts';
import { describeRequest } from './hooks/log-lines.ts';
import { collectKnownPaths, unrouted } from './hooks/not-found.ts';
import { Refusals } from './hooks/refusals.ts';
import { takeBodies } from './hooks/request-encodings.ts';
import { answerWithIds, requestIdOf } from './hooks/request-ids.ts';
import { logRequests, type RequestLogOptions } from './hooks/request-log.ts';
import { traceRequests } from './hooks/request-spans.ts';
import { type BatchRoutesOptions, batchRoutes } from './ingest/batch-routes.ts';
import { type EventRoutesOptions, eventRoutes } from './ingest/event-routes.ts';
import { formatRoutes } from './ingest/format-routes.ts';
import { type DocumentRoutesOptions, documentRoutes } from './openapi/documents.ts';
import { type DeadLetterRoutesOptions, deadLetterRoutes } from './operations/dead-letter-routes.ts';
import { type GroupRoutesOptions, groupRoutes } from './operations/group-routes.ts';
import { type HistoryRoutesOptions, historyRoutes } from './operations/history-routes.ts';
import { type OperationsRoutesOptions, operationsRoutes } from './operations/operations-routes.ts';
import { type RetentionRoutesOptions, retentionRoutes } from './operations/retention-routes.ts';
import { differenceRoutes } from './query/difference-routes.ts';
import { type DuplicateRoutesOptions, duplicateRoutes } from './query/duplicate-routes.ts';
import { type EventStateRoutesOptions, eventStateRoutes } from './query/event-state-routes.ts';
import { funnelRoutes } from './query/funnel-routes.ts';
import { type ProcessedRoutesOptions, processedRoutes } from './query/processed-routes.ts';
import { type RejectedRoutesOptions, rejectedRoutes } from './query/rejected-routes.ts';
import { returningRoutes } from './query/returning-routes.ts';
import { seriesRoutes } from './query/series-routes.ts';
import { type StatsRoutesOptions, statsRoutes } from './query/stats-routes.ts';
import { type StreamRoutesOptions, streamRoutes } from './query/stream-routes.ts';
import { type SuggestionRoutesOptions, suggestionRoutes } from './query/suggestion-routes.ts';

interface ApiOptions
  extends AccessOptions,
    AdmitOptions,
    DocumentRoutesOptions,
    BatchRoutesOptions,
    EventRoutesOptions,
    EventStateRoutesOptions,
    ProcessedRoutesOptions,
    RejectedRoutesOptions,
    DuplicateRoutesOptions,
    StreamRoutesOptions,
    StatsRoutesOptions,
    SuggestionRoutesOptions,
    DeadLetterRoutesOptions,
    GroupRoutesOptions,
    HistoryRoutesOptions,
    RetentionRoutesOptions,
    OperationsRoutesOptions,
    RequestLogOptions {
  /** Undefined: HTTP. */
  certificate: Certificate | undefined;
  metrics: Metrics;
  logger: Logger;
  /** Undefined: off. */
  tracing: Tracing | undefined;
  isStopping(): boolean;
}

const CLOSE_POLL_MS = 50;
/** How long a stop waits for the first request of a connection. */
const UNUSED_CONNECTION_MS = 1000;
const HEADERS_TIMEOUT_MS = 10_000;
/** Fastify's default for the servers it creates. */
const KEEP_ALIVE_MS = 72_000;
const TIMEOUTS_CHECK_MS = 2000;
/** For the whole request: a batch of 100 MB arrives in time at 7 Mbit/s. */
const REQUEST_TIMEOUT_MS = 120_000;

/** The HTTP server, not listening yet. */
export function createApi(options: ApiOptions): FastifyInstance {
  const api = Fastify({
    logger: false,
    genReqId: requestIdOf,
    bodyLimit: options.maxBodyBytes,
    // Answered below in the same format as every other error.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    ...serverOptions(options),
    // Ids of 255 characters, each up to three bytes, percent-encoded as three characters per byte.
    routerOptions: { maxParamLength: MAX_ID_LENGTH * 9 },
    clientErrorHandler,
    frameworkErrors: (error, _request, reply) =>
      sendError(reply, new ApiError('bad_request', { cause: error })),
  });
  const paths = collectKnownPaths(api);
  answerWithIds(api);
  logRequests(api, options);
  keepConnectionsInOrder(api);
  const storeOutages = new StoreOutages(options.logger);
  const refusals = new Refusals(options.logger, options.metrics);
  api.addHook('onRequest', (_request, reply, done) => {
    // Routes with cacheable responses override this.
    reply.header('X-Content-Type-Options', 'nosniff').header('Cache-Control', 'no-store');
    done();
  });
  // Also of requests that came before the stop, so that each connection has at most one more. That one is answered: a
  // proxy cannot know whether a POST that fails may be sent again.
  api.addHook('onSend', (_request, reply, payload, done) => {
    if (options.isStopping()) reply.header('Connection', 'close');
    done(null, payload);
  });
  allowOrigins(api, options);
  // Without reading a body sent to an unknown path.
  api.addHook('onRequest', (request, reply, done) => {
    done(request.is404 ? unrouted(request, reply, paths) : undefined);
  });
  // After the CORS headers, so that a page can read why it was rejected.
  api.after(() => {
    registerAuthentication(api, options);
    traceRequests(api, options.tracing);
    admit(api, options);
  });
  documentRoutes(api, options);
  takeBodies(api);
  api.setErrorHandler(async (error: FastifyError | ApiError, request, reply) => {
    // For an unknown path, 404 takes precedence over whatever else is wrong.
    const isNowhere = request.is404 && !(error instanceof ApiError);
    const known = isNowhere ? unrouted(request, reply, paths) : toApiError(error);
    refusals.note(request, known);
    if (request.routeOptions.config.acceptsEvents) noteRejected(request, known, options);
    if (known.code === 'internal_error') {
      options.logger.error({ ...describeRequest(request), err: error }, '[API] Request failed');
    }
    if (known.code === 'store_unavailable') storeOutages.note(error);
    if (known.code === 'overloaded') {
      options.metrics.overloadRejections.inc();
      await giveUp(request, reply);
    }
    return sendError(reply, known);
  });
  api.setNotFoundHandler((request, reply) => {
    const error = unrouted(request, reply, paths);
    refusals.note(request, error);
    return sendError(reply, error);
  });
  // Bodies arrive as bytes: payloads are kept as they were written, and only UTF-8 is text.
  api.removeAllContentTypeParsers();
  api.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (_request: FastifyRequest, body: Buffer) => body,
  );
  if (options.acceptsEvents) {
    api.register(eventRoutes, options);
    api.register(eventStateRoutes, options);
    api.register(batchRoutes, options);
    api.register(formatRoutes, options);
    api.register(processedRoutes, options);
    api.register(rejectedRoutes, options);
    api.register(duplicateRoutes, options);
    api.register(streamRoutes, options);
    api.register(statsRoutes, options);
    api.register(suggestionRoutes, options);
    api.register(seriesRoutes, options);
    api.register(differenceRoutes, options);
    api.register(funnelRoutes, options);
    api.register(returningRoutes, options);
    api.register(deadLetterRoutes, options);
    api.register(groupRoutes, options);
    api.register(historyRoutes, options);
    api.register(retentionRoutes, options);
    api.register(pageRoutes);
  }
  api.register(operationsRoutes, options);
  return api;
}

function noteRejected(request: FastifyRequest, error: ApiError, { metrics, rejected }: ApiOptions): void {
  metrics.eventsRejected.inc({ code: error.code });
  if (error.code !== 'unauthorized') metrics.eventTally.sent(request.caller?.name, 'rejected');
  const { body } = request;
  const isKept = Buffer.isBuffer(body) || typeof body === 'string';
  rejected.add(error, {
    caller: request.caller?.name,
    path: request.routeOptions.url!,
    body: isKept ? body : undefined,
  });
}

function serverOptions({ certificate }: ApiOptions) {
  const timeouts = {
    headersTimeout: HEADERS_TIMEOUT_MS,
    connectionsCheckingInterval: TIMEOUTS_CHECK_MS,
    // Answered in the same format as every other error (`connections.ts`).
    requireHostHeader: false,
  };
  const requestTimeout = REQUEST_TIMEOUT_MS;
  if (certificate === undefined) return { requestTimeout, http: timeouts };
  const serverFactory: FastifyServerFactory = (listener) =>
    certificate.createServer(listener, { ...timeouts, requestTimeout, keepAliveTimeout: KEEP_ALIVE_MS });
  return { serverFactory };
}

/** Headers that CORS exposes anyway, or that pages have no use for. */
const NOT_EXPOSED =
  /^(access-control-|content-|cross-origin-|x-(?!request-id$)|cache-control$|connection$|vary$)/;
const PREFLIGHT_VALID_S = 600;

/**
 * Answers CORS preflights. They carry no key, so any key's origin is allowed; `registerAuthentication` checks the
 * actual one.
 */
function allowOrigins(api: FastifyInstance, { apiKeys, origins }: AccessOptions): void {
  if (apiKeys === undefined && origins.length === 0) return;
  const withoutKeys = new Set(origins);
  api.register(cors, {
    origin: (origin, done) => {
      const allowed = apiKeys?.origins ?? withoutKeys;
      done(null, origin !== undefined && allowed.has(origin));
    },
    methods: ['GET', 'POST'],
    maxAge: PREFLIGHT_VALID_S,
  });
  // Exposes whatever headers a response has, so that no list can get out of date.
  api.addHook('onSend', (_request, reply, payload, done) => {
    const headers = reply.getHeaders();
    if (headers['access-control-allow-origin'] !== undefined) {
      const exposed = Object.keys(headers).filter((name) => !NOT_EXPOSED.test(name));
      if (exposed.length > 0) reply.header('Access-Control-Expose-Headers', exposed.join(', '));
    }
    done(null, payload);
  });
}

/**
 * Stops listening, answers the requests in progress, and closes the connections.
 *
 * Node closes idle connections only once, at the beginning. A connection that is busy then, or that has been opened
 * without sending anything yet, would stay open.
 */
export async function closeApi(api: FastifyInstance, admission: Admission): Promise<void> {
  const cutUnusedAt = performance.now() + UNUSED_CONNECTION_MS;
  let closed = false;
  const closing = api.close().then(() => {
    closed = true;
  });
  while (!closed) {
    await Promise.race([closing, sleep(CLOSE_POLL_MS)]);
    api.server.closeIdleConnections();
    if (performance.now() > cutUnusedAt && admission.requests === 0) api.server.closeAllConnections();
  }
}
