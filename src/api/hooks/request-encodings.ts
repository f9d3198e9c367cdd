import { type Transform, type TransformCallback, Transform as TransformStream } from 'node:stream';
import zlib from 'node:zlib';
import type { FastifyInstance, FastifyRequest, RequestPayload } from 'fastify';
import type { Hold } from '../../access/admission.ts';
import { ApiError } from '../../errors.ts';

/** Data after the end of a compressed body would otherwise be dropped silently. */
const WHOLE = { rejectGarbageAfterEnd: true };
/** Browsers have the same limit (RFC 9659): a few bytes must not make us allocate 128 MB. */
const ZSTD_WINDOW_LOG = 23;

interface Encoding {
  inflate: () => Transform;
  /** The most inflated data that is buffered. */
  windowBytes: number;
}

/**
 * The supported content encodings. The inflated size counts against the limits of the routes. A gzip body may have
 * several members; anything after them that is not a member is an error.
 */
const ENCODINGS: Record<string, Encoding> = {
  gzip: { inflate: () => zlib.createGunzip(), windowBytes: 100_000 },
  deflate: { inflate: () => zlib.createInflate(WHOLE), windowBytes: 100_000 },
  br: { inflate: () => zlib.createBrotliDecompress(WHOLE), windowBytes: 16_800_000 },
  zstd: {
    inflate: () =>
      zlib.createZstdDecompress({
        ...WHOLE,
        params: { [zlib.constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG },
      }),
    windowBytes: 8_400_000,
  },
};

/** The initial reservation for a request without a length. */
const UNKNOWN_LENGTH_BYTES = 64_000;

/** The names of a body's encodings as of RFC 9110 (8.4.1): case-insensitive, including `x-gzip`. */
function encodingsOf({ headers }: FastifyRequest): string[] {
  return (headers['content-encoding'] ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim().replace(/^x-gzip$/, 'gzip'))
    .filter((name) => name !== '' && name !== 'identity');
}

/**
 * Inflates request bodies and counts their bytes unless the size is known beforehand.
 *
 * The streams between connection and reader may be destroyed at any time: the connection stays, and the rest of the
 * body is discarded.
 */
export function takeBodies(api: FastifyInstance): void {
  api.addHook('preParsing', (request, _reply, raw, done) => {
    const { headers } = request;
    const hasLength = headers['content-length'] !== undefined;
    if (!hasLength && headers['transfer-encoding'] === undefined) return done(null, raw);
    const names = encodingsOf(request);
    const isMany = request.routeOptions.config.acceptsEvents === 'many';
    if (names.length === 0 && hasLength && !isMany) return done(null, raw);
    const encoding = ENCODINGS[names[0] ?? ''];
    if (names.length > 1 || (names.length === 1 && encoding === undefined)) {
      return done(new ApiError('unsupported_encoding'));
    }
    const { reservesBytes = 0 } = request.routeOptions.config;
    const counted = countedBody(request.hold, {
      counted: firstBytes(headers, reservesBytes),
      most: reservesBytes + (isMany ? (encoding?.windowBytes ?? 0) : 0),
    });
    done(null, connect(request, raw, encoding?.inflate(), counted));
  });
}

/** The reservation before any of the body has arrived: its declared length. */
export function firstBytes(headers: FastifyRequest['headers'], most: number): number {
  return Math.min(Number(headers['content-length'] ?? UNKNOWN_LENGTH_BYTES), most);
}

/** Passes a body on while reserving its bytes: from the initial reservation up to the most that is buffered. */
function countedBody(
  hold: Hold | undefined,
  { counted, most }: { counted: number; most: number },
): Transform {
  let arrived = 0;
  let reserved = counted;
  return new TransformStream({
    transform(chunk: Buffer, _encoding, done: TransformCallback) {
      arrived += chunk.length;
      const more = Math.min(arrived, most) - reserved;
      try {
        if (more > 0) {
          hold?.grow(more);
          reserved += more;
        }
        done(null, chunk);
      } catch (error) {
        done(error as Error);
      }
    },
  });
}

function connect(
  { headers, raw: message }: FastifyRequest,
  raw: RequestPayload,
  inflating: Transform | undefined,
  counted: Transform & { receivedEncodedLength?: number },
): RequestPayload {
  // The framework compares it with the bytes it receives; Node has already checked it.
  counted.once('end', () => {
    counted.receivedEncodedLength = Number(headers['content-length'] ?? 0);
  });
  const cut = () => {
    if (!message.complete) counted.destroy(new ApiError('bad_request'));
  };
  message.once('close', cut);
  // The body's reader gets the error. A body rejected unread has no reader, and its error must not end the process.
  counted.on('error', () => {});
  inflating?.once('error', (cause) => counted.destroy(new ApiError('bad_request', { cause })));
  counted.once('close', () => {
    message.off('close', cut);
    raw.unpipe?.(inflating ?? counted);
    inflating?.destroy();
    message.resume();
  });
  if (inflating === undefined) raw.pipe(counted);
  else raw.pipe(inflating).pipe(counted);
  return counted as unknown as RequestPayload;
}
