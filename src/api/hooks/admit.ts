import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Admission, Hold } from '../../access/admission.ts';
import type { RateLimits } from '../../access/rate-limits.ts';
import { searchSteps } from '../../loop-turns.ts';
import { firstBytes } from './request-encodings.ts';
import { BodyPatience, ReaderPatience } from './slow-peers.ts';

/**
 * How long a request that is turned away waits for its answer: clients that retry at once would take the time of those
 * that were admitted.
 */
const REJECTION_DELAY_MS = 1000;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The most bytes a request of this route holds in memory; such requests are subject to admission. */
    reservesBytes?: number;
    /** Where events are sent, one or many in a request: what is refused is counted by its error code. */
    acceptsEvents?: 'one' | 'many';
  }
  interface FastifyRequest {
    /** What it holds, where its route is subject to admission. */
    hold: Hold | undefined;
  }
}

export interface AdmitOptions {
  admission: Admission;
  rateLimits: RateLimits;
  /** After this a reader that takes nothing is cut. */
  streamTimeoutMs: number;
  /** In this time some of a body must arrive. */
  bodyTimeoutMs: number;
}

/** For one that was taken in and found to hold too much: it holds nothing more, and its answer waits as long as theirs. */
export async function giveUp({ hold }: FastifyRequest, reply: FastifyReply): Promise<void> {
  if (hold === undefined) return;
  hold.leave();
  // The framework closes connections whose bodies fail. Taking in another is the dearer, and `connections.ts` knows
  // where there is need.
  reply.removeHeader('Connection');
  await sleep(REJECTION_DELAY_MS);
}

/** Takes in a request while there is room for what it may hold, and only as long as its peer keeps up. */
export function admit(api: FastifyInstance, options: AdmitOptions): void {
  const { admission, rateLimits, streamTimeoutMs, bodyTimeoutMs } = options;
  const senders = new BodyPatience(bodyTimeoutMs);
  const readers = new ReaderPatience(streamTimeoutMs);
  api.addHook('onClose', async () => {
    senders.stop();
    readers.stop();
  });
  api.decorateRequest('hold', undefined);
  api.addHook('onRequest', (request, reply, done) => {
    const { reservesBytes, acceptsEvents } = request.routeOptions.config;
    readers.watch(request, reply.raw);
    if (reservesBytes === undefined) return done();
    searchSteps.noteRequest();
    try {
      take(request, reply, reservesBytes);
      if (acceptsEvents === 'many') rateLimits.checkRefused(senderOf(request));
      done();
    } catch (error) {
      setTimeout(done, REJECTION_DELAY_MS, error as Error);
    }
  });

  function take(request: FastifyRequest, reply: FastifyReply, most: number): void {
    const isRead = request.method !== 'POST';
    const caller = request.caller?.name;
    const hold = isRead
      ? enterToRead(request, most)
      : admission.enter(firstBytes(request.headers, most), { purpose: 'write', caller });
    request.hold = hold;
    if (!isRead) senders.watch(request.raw, reply.raw);
    // However it ends: answered, aborted by the client, or cut.
    reply.raw.once('close', () => hold.leave());
  }

  /** Where there is no room, a reader of the same caller that takes nothing makes some. */
  function enterToRead(request: FastifyRequest, bytes: number): Hold {
    const entry = { purpose: 'read', caller: request.caller?.name } as const;
    try {
      return admission.enter(bytes, entry);
    } catch (error) {
      if (!readers.giveWayTo(request)) throw error;
      return admission.enter(bytes, entry);
    }
  }
}

/** Whom what is sent is put down to: a caller, or an address where callers have no names. */
export function senderOf({ caller, ip }: FastifyRequest): string {
  return caller?.name ?? ip;
}
