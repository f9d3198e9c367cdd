import Type from 'typebox';

/** How much streams, slow clients and concurrent requests may take. */
export const LIMIT_SETTINGS = {
  MAX_STREAMS: Type.Integer({
    minimum: 1,
    maximum: 100_000,
    default: 1000,
    description: 'Most concurrent readers of `GET /events/stream`; further ones get 503.',
  }),
  MAX_STREAMS_PER_CALLER: Type.Integer({
    minimum: 1,
    maximum: 100_000,
    default: 250,
    description:
      'Most concurrent readers of `GET /events/stream` with the keys of one caller; further ones get 503.',
  }),
  STREAM_TIMEOUT_MS: Type.Integer({
    minimum: 100,
    maximum: 600_000,
    default: 30_000,
    description:
      'Milliseconds after which Footfall disconnects a reader of `GET /events/stream`, or of any other response, that takes no data. A reader of a list is disconnected after a fifth of that if another request of the same caller has no room. A stream sends something at least twice in that time.',
  }),
  BODY_TIMEOUT_MS: Type.Integer({
    minimum: 100,
    maximum: 120_000,
    default: 10_000,
    description:
      'Milliseconds within which the next 10 KB of a request body, or the rest of it, must arrive; otherwise the request gets 408.',
  }),
  MAX_IN_FLIGHT_REQUESTS: Type.Integer({
    minimum: 1,
    maximum: 1_000_000,
    default: 10_000,
    description: 'Most requests for events in progress at once; further ones get 503 and `Retry-After`.',
  }),
  MAX_IN_FLIGHT_BYTES: Type.Integer({
    minimum: 1_000_000,
    maximum: 10_000_000_000,
    default: 64_000_000,
    description:
      'Most bytes that all requests sending events may hold together. A request counts its `Content-Length`, the decompressed size of its body, and the result of each event in a batch. A caller with a key may hold half of the total.',
  }),
  MAX_IN_FLIGHT_READ_BYTES: Type.Integer({
    minimum: 3_000_000,
    maximum: 10_000_000_000,
    default: 64_000_000,
    description:
      'The same for requests that read, which have their own budget. A list being read counts as 3 MB.',
  }),
};
