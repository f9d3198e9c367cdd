import zlib, { type BrotliOptions, type ZlibOptions, type ZstdOptions } from 'node:zlib';
import compress from '@fastify/compress';
import type { FastifyInstance } from 'fastify';

/** How bodies may be compressed. What they inflate to counts against the limits of their routes. */
const ENCODINGS: ('gzip' | 'br' | 'zstd' | 'deflate')[] = ['gzip', 'br', 'zstd', 'deflate'];

/** What comes behind the end of a compressed body would be dropped without a word. */
const WHOLE = { rejectGarbageAfterEnd: true };

/** Of gzip, which may be several bodies one after the other, what is none of them is an error as it is. */
const STRICT_ZLIB = {
  ...zlib,
  createBrotliDecompress: (options?: BrotliOptions) => zlib.createBrotliDecompress({ ...options, ...WHOLE }),
  createInflate: (options?: ZlibOptions) => zlib.createInflate({ ...options, ...WHOLE }),
  createZstdDecompress: (options?: ZstdOptions) => zlib.createZstdDecompress({ ...options, ...WHOLE }),
};

/** Inflates the bodies of requests. Encodings are named as RFC 9110 has it (8.4.1): in any case, and with `x-gzip`. */
export function takeEncodings(api: FastifyInstance): void {
  api.addHook('onRequest', ({ headers }, _reply, done) => {
    const given = headers['content-encoding'];
    if (given !== undefined) {
      const names = given
        .toLowerCase()
        .split(',')
        .map((name) => name.trim().replace(/^x-gzip$/, 'gzip'))
        .filter((name) => name !== '' && name !== 'identity');
      if (names.length === 0) delete headers['content-encoding'];
      else headers['content-encoding'] = names.join(', ');
    }
    done();
  });
  api.register(compress, { globalCompression: false, requestEncodings: ENCODINGS, zlib: STRICT_ZLIB });
}
