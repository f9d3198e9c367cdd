/** What a caller can be told. Every error answer of the API is one of these. */
interface ErrorDefinition {
  /** HTTP status. */
  status: number;
  /** True when sending the same request again later can succeed. */
  retryable: boolean;
  /** For a person; says what to do next where there is something to do. */
  message: string;
}

/**
 * The closed list of errors. `docs/errors.md` has one row for each and a test compares the two.
 * The messages of `publish_failed`, `internal_error` and `endpoint_not_found` are part of the HTTP contract.
 */
export const ERRORS = {
  body_missing: {
    status: 400,
    retryable: false,
    message: 'Request body is required: send a JSON object with userId and eventType',
  },
  body_not_json: { status: 400, retryable: false, message: 'Request body is not valid JSON' },
  body_not_object: { status: 400, retryable: false, message: 'Request body must be a JSON object' },
  bad_request: { status: 400, retryable: false, message: 'The request could not be understood' },
  body_not_array: {
    status: 400,
    retryable: false,
    message: 'Request body must be a JSON array of events, or one event per line as application/x-ndjson',
  },
  body_incomplete: {
    status: 400,
    retryable: false,
    message: 'The JSON array ends before its closing bracket',
  },
  batch_empty: { status: 400, retryable: false, message: 'The batch contains no events' },
  invalid_event: { status: 400, retryable: false, message: 'The event is not valid' },
  invalid_query: { status: 400, retryable: false, message: 'The query is not valid' },
  invalid_redrive: { status: 400, retryable: false, message: 'The redrive request is not valid' },
  unsupported_encoding: {
    status: 415,
    retryable: false,
    message: 'Unsupported content encoding: send gzip, br, zstd, deflate, or none',
  },
  unauthorized: {
    status: 401,
    retryable: false,
    message:
      'An API key is needed: send it as "Authorization: Bearer KEY", as X-API-Key, or as the basic-auth user',
  },
  forbidden: { status: 403, retryable: false, message: 'This API key does not allow this request' },
  origin_not_allowed: {
    status: 403,
    retryable: false,
    message: 'Pages from this origin may not call: add it to the origins of the key, or to CORS_ORIGINS',
  },
  host_not_allowed: {
    status: 403,
    retryable: false,
    message:
      'Without API keys this service only answers to names and addresses of its own machine: add the one you used to ALLOWED_HOSTS, or set API_KEYS_FILE',
  },
  endpoint_not_found: { status: 404, retryable: false, message: 'Endpoint not found' },
  event_not_found: {
    status: 404,
    retryable: false,
    message: 'No event has this id. If another instance accepted it a moment ago, it may not be stored yet',
  },
  dead_letter_not_found: { status: 404, retryable: false, message: 'There is no dead letter with this id' },
  method_not_allowed: {
    status: 405,
    retryable: false,
    message: 'Method not allowed: the Allow header lists the methods of this path',
  },
  id_conflict: {
    status: 409,
    retryable: false,
    message:
      'You have already sent a different event with this id. That one is kept, this one is not: give it its own id',
  },
  event_removed: {
    status: 410,
    retryable: false,
    message:
      'An event with this id was stored and has been removed, because it was past its retention: it is not stored again',
  },
  cursor_reset: {
    status: 410,
    retryable: false,
    message:
      'reset: the store that issued this cursor is gone or was restored to an earlier state; start again without the cursor',
  },
  request_timeout: { status: 408, retryable: true, message: 'The request did not arrive in time' },
  body_too_large: { status: 413, retryable: false, message: 'Request body is too large' },
  batch_too_large: {
    status: 413,
    retryable: false,
    message:
      'The batch is too large: this event and those after it were not read; send them in another batch',
  },
  batch_abandoned: {
    status: 400,
    retryable: false,
    message:
      'Nearly all of this batch is invalid: this event and those after it were not read; correct the batch and send them again',
  },
  unsupported_media_type: {
    status: 415,
    retryable: false,
    message: 'Unsupported content type: send application/json',
  },
  record_refused: {
    status: 422,
    retryable: false,
    message:
      'Kafka rejects this event because of a topic setting (cleanup.policy=compact, or record validation by the broker)',
  },
  too_many_events: {
    status: 422,
    retryable: false,
    message:
      'Too many events to count at once (5 million; 1 million where payloads are read), or too many different values: ask for a shorter range, one user or one event type',
  },
  expectation_failed: {
    status: 417,
    retryable: false,
    message: 'The only supported expectation is "Expect: 100-continue": leave out any other',
  },
  rate_limited: {
    status: 429,
    retryable: true,
    message: 'More events per second than allowed: retry after the time in Retry-After',
  },
  headers_too_large: { status: 431, retryable: false, message: 'The request headers are too large' },
  publish_failed: { status: 500, retryable: true, message: 'Failed to publish event to Kafka' },
  internal_error: { status: 500, retryable: true, message: 'Internal server error' },
  overloaded: {
    status: 503,
    retryable: true,
    message: 'Too many requests are in progress: retry after the time in Retry-After',
  },
  store_unavailable: {
    status: 503,
    retryable: true,
    message:
      'The store is unavailable. Events are still accepted and will be stored later: retry after the time in Retry-After',
  },
} satisfies Record<string, ErrorDefinition>;

export type ErrorCode = keyof typeof ERRORS;

/** An error a caller is told about, without a stack. `details` are the single messages of the `invalid_…` codes. */
export class ApiError extends Error {
  readonly code: ErrorCode;
  readonly details: readonly string[] | undefined;
  /** Seconds after which sending again is worth it. */
  readonly retryAfterS: number;

  constructor(
    code: ErrorCode,
    options: {
      message?: string | undefined;
      details?: readonly string[];
      retryAfterS?: number;
      cause?: unknown;
    } = {},
  ) {
    // A batch may hold a hundred thousand of them, and each stack costs more than what it is about.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(options.message ?? ERRORS[code].message, { cause: options.cause });
    Error.stackTraceLimit = stackTraceLimit;
    this.name = 'ApiError';
    this.code = code;
    this.details = options.details;
    this.retryAfterS = options.retryAfterS ?? 1;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }
}
