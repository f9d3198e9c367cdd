import { type Transform, type TransformCallback, Transform as TransformStream } from 'node:stream';
import zlib from 'node:zlib';
import type { FastifyInstance, FastifyRequest, RequestPayload } from 'fastify';
import type { Hold } from '../../access/admission.ts';
import { ApiError } from '../../errors.ts';

/** What comes behind the end of a compressed body would be dropped without a word. */
const WHOLE = { rejectGarbageAfterEnd: true };
/** Browsers have the same limit (RFC 9659): a few bytes must not make us set aside 128 MB. */
const ZSTD_WINDOW_LOG = 23;

interface Encoding {
  inflate: () => Transform;
  /** The most that inflating keeps of what it has inflated. */
  windowBytes: number;
}

/**
 * How bodies may be compressed. What they inflate to counts against the limits of their routes. Of gzip, which may be
 * several bodies one after the other, what is none of them is an error as it is.
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

/** What a request that says nothing of its length is taken to hold at first. */
export const UNKNOWN_LENGTH_BYTES = 64_000;

/** The names of a body's encodings, as RFC 9110 has them (8.4.1): in any case, and with `x-gzip`. */
function encodingsOf({ headers }: FastifyRequest): string[] {
  return (headers['content-encoding'] ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim().replace(/^x-gzip$/, 'gzip'))
    .filter((name) => name !== '' && name !== 'identity');
}

/**
 * Inflates the bodies of requests, and counts what arrives where it is not known before.
 *
 * What stands between connection and reader may be destroyed at any time: the connection stays, and the rest of the
 * body is passed over.
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

/** What a request that sends something holds before any of its body has arrived: as long as it says it is. */
export function firstBytes(headers: FastifyRequest['headers'], most: number): number {
  return Math.min(Number(headers['content-length'] ?? UNKNOWN_LENGTH_BYTES), most);
}

/** Passes a body on, and counts it: from what is counted already up to the most that is kept of it. */
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
  // The framework compares it with what was sent, which is what Node has already checked.
  counted.once('end', () => {
    counted.receivedEncodedLength = Number(headers['content-length'] ?? 0);
  });
  const cut = () => {
    if (!message.complete) counted.destroy(new ApiError('bad_request'));
  };
  message.once('close', cut);
  // Whoever reads it learns of it. Of a body that is refused unread nobody does, and that must not end the process.
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
