import type { FastifyError, FastifyReply } from 'fastify';
import { ApiError, type ErrorCode } from '../../errors.ts';
import { toApiError as appendFailure } from '../../ingest/append-failure.ts';
import { AppendError } from '../../log/event-log.ts';
import type { Logger } from '../../observability/logger.ts';
import { StoreUnavailableError } from '../../store/event-store.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * Whether errors also have a `code` and a `message`. RudderStack's Python library treats errors without them as
     * network failures and retries for a quarter of an hour before it reports one.
     */
    namesErrors?: boolean;
  }
}

/** By code, never by text. Anything unknown is our own failure and reveals no internals. */
const FRAMEWORK_ERRORS: Record<string, ErrorCode> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_EMPTY_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'bad_request',
  FST_CP_ERR_INVALID_CONTENT_ENCODING: 'unsupported_encoding',
};

/** A store outage lasts seconds at least. */
const STORE_RETRY_S = 5;

export function toApiError(error: FastifyError | ApiError | AppendError | StoreUnavailableError): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof AppendError) return appendFailure(error);
  if (error instanceof StoreUnavailableError) {
    return new ApiError('store_unavailable', { cause: error, retryAfterS: STORE_RETRY_S });
  }
  const code = FRAMEWORK_ERRORS[error.code] ?? (isClientFault(error) ? 'bad_request' : 'internal_error');
  return new ApiError(code, { cause: error });
}

function isClientFault({ statusCode }: FastifyError): boolean {
  return statusCode !== undefined && statusCode >= 400 && statusCode < 500;
}

/**
 * `errors` lists what is wrong with an event; every other response has a single `error`. Code and retry are headers.
 */
export function sendError(reply: FastifyReply, error: ApiError): FastifyReply {
  reply
    .code(error.status)
    .header('Error-Code', error.code)
    // Even if none of our hooks ran, as for an unparsable URL.
    .header('X-Request-Id', reply.request.id)
    .header('X-Content-Type-Options', 'nosniff')
    .header('Cache-Control', 'no-store')
    .header('Error-Retryable', String(error.retryable));
  if (error.retryable) reply.header('Retry-After', String(error.retryAfterS));
  const problem = error.details ? { errors: error.details } : { error: error.message };
  const answer = { success: false, ...problem, ...errorName(reply, error) };
  return reply.type('application/json; charset=utf-8').send(JSON.stringify(answer));
}

/** Additional error members on routes whose clients expect them. */
export function errorName(reply: FastifyReply, { code, details, message }: ApiError): object {
  if (!reply.request.routeOptions.config?.namesErrors) return {};
  return { code, message: details?.join('; ') ?? message };
}

const CLIENT_ERRORS: Record<string, ErrorCode> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
  HPE_HEADER_OVERFLOW: 'headers_too_large',
};

/** Input that is not HTTP, or is too slow, never becomes a request: answered on the socket itself. */
export function clientErrorHandler(
  error: Error & { code?: string },
  socket: import('node:net').Socket,
): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  answerOnSocket(socket, new ApiError(CLIENT_ERRORS[error.code ?? ''] ?? 'bad_request'));
}

/** For input that never becomes a request in the framework. */
export function answerOnSocket(socket: import('node:stream').Duplex, known: ApiError): void {
  const body = JSON.stringify({ success: false, error: known.message });
  socket.end(
    [
      `HTTP/1.1 ${known.status} ${known.code}`,
      'Content-Type: application/json; charset=utf-8',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'X-Content-Type-Options: nosniff',
      'Cache-Control: no-store',
      `Error-Code: ${known.code}`,
      `Error-Retryable: ${known.retryable}`,
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}

/** After this long without a failure, the next one counts as a new outage. */
const QUIET_MS = 30_000;

/** Logs once that reading fails, not per request. */
export class StoreOutages {
  readonly #logger: Logger;
  #failedAt = Number.NEGATIVE_INFINITY;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  note(error: Error): void {
    const now = performance.now();
    if (now - this.#failedAt > QUIET_MS) {
      this.#logger.error(
        { err: error },
        '[API] The store cannot be read: requests that need it are answered with 503 until it works',
      );
    }
    this.#failedAt = now;
  }
}
