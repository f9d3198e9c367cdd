// In: the address of a service here, and the file with its certificate. Out: its answer, if it is the one that has that certificate.
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { Readable } from 'node:stream';

/** As long as `fetch` waits for the first byte of an answer. */
const ANSWER_WITHIN_MS = 300_000;

interface Request {
  method?: string;
  body?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/**
 * As `fetch` without redirects, from a service that proves to have exactly the first certificate of a PEM file: who issued it,
 * and for which name, does not matter then. Whether it has expired does.
 *
 * @throws TypeError as `fetch` does, with the reason as its cause
 */
export async function fetchPinned(
  url: string,
  certificateFile: string,
  { body, ...init }: Request = {},
): Promise<Response> {
  try {
    const answer = await send(url, certificateFile, body, init);
    const { statusCode: status = 0, rawHeaders } = answer;
    const headers = new Headers();
    for (let at = 0; at < rawHeaders.length; at += 2) headers.append(rawHeaders[at]!, rawHeaders[at + 1]!);
    const stream = Readable.toWeb(answer) as ReadableStream<Uint8Array<ArrayBuffer>>;
    const hasBody = status !== 204 && status !== 304;
    return new Response(hasBody ? stream : null, { status, headers });
  } catch (cause) {
    throw new TypeError('fetch failed', { cause });
  }
}

async function send(
  url: string,
  certificateFile: string,
  body: string | undefined,
  init: Request,
): Promise<IncomingMessage> {
  const pem = readFileSync(certificateFile);
  const { fingerprint256 } = new X509Certificate(pem);
  return new Promise((resolve, reject) => {
    const options = {
      ...init,
      ca: pem,
      // Whatever NODE_TLS_REJECT_UNAUTHORIZED says of other services.
      rejectUnauthorized: true,
      // The file ends where the chain does that the service sends, mostly before the authority itself.
      allowPartialTrustChain: true,
      checkServerIdentity: (_host: string, peer: { fingerprint256: string }) =>
        peer.fingerprint256 === fingerprint256 ? undefined : new OtherCertificateError(),
    };
    const sent = request(url, options, (answer) => {
      clearTimeout(late);
      resolve(answer);
    });
    const late = setTimeout(() => sent.destroy(new Error('no answer within five minutes')), ANSWER_WITHIN_MS);
    sent.on('error', (error) => {
      clearTimeout(late);
      reject(error);
    });
    sent.end(body);
  });
}

class OtherCertificateError extends Error {
  readonly code = 'OTHER_CERTIFICATE';

  constructor() {
    super('it has another certificate than HTTPS_CERT_FILE');
  }
}
