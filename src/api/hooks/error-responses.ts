import type { FastifyError, FastifyReply } from 'fastify';
import { ApiError, type ErrorCode } from '../../errors.ts';
import { toApiError as appendFailure } from '../../ingest/append-failure.ts';
import { AppendError } from '../../log/event-log.ts';
import type { Logger } from '../../observability/logger.ts';
import { StoreUnavailableError } from '../../store/event-store.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * Whether errors also have a `code` and a `message`. RudderStack's library for Python takes one without for a failure of
     * the network, and tries for a quarter of an hour before it says so.
     */
    namesErrors?: boolean;
  }
}

/** By code, never by text. Anything unknown is our own failure and tells the caller nothing about the inside. */
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

/** `errors` lists what is wrong with an event; every other answer has one `error`. Code and retry are headers. */
export function sendError(reply: FastifyReply, error: ApiError): FastifyReply {
  reply
    .code(error.status)
    .header('Error-Code', error.code)
    // Also where no hook of ours was asked, as for an address that cannot be read.
    .header('X-Content-Type-Options', 'nosniff')
    .header('Cache-Control', 'no-store')
    .header('Error-Retryable', String(error.retryable));
  if (error.retryable) reply.header('Retry-After', String(error.retryAfterS));
  const problem = error.details ? { errors: error.details } : { error: error.message };
  const answer = { success: false, ...problem, ...errorName(reply, error) };
  return reply.type('application/json; charset=utf-8').send(JSON.stringify(answer));
}

/** What an error has besides, on the routes whose clients look for it. */
export function errorName(reply: FastifyReply, { code, details, message }: ApiError): object {
  if (!reply.request.routeOptions.config?.namesErrors) return {};
  return { code, message: details?.join('; ') ?? message };
}

const CLIENT_ERRORS: Record<string, ErrorCode> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
  HPE_HEADER_OVERFLOW: 'headers_too_large',
};

/** What is not HTTP, or does not arrive in time, never becomes a request: answered on the socket itself. */
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

/** For what never becomes a request that the framework knows. */
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

/** After so long without a failure the next is a new outage. */
const QUIET_MS = 30_000;

/** Says once that reading fails, not for each request. */
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
