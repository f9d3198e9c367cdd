import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Admission, Hold } from '../../access/admission.ts';
import type { RateLimits } from '../../access/rate-limits.ts';
import { searchSteps } from '../../loop-turns.ts';
import { firstBytes } from './request-encodings.ts';
import { BodyPatience, ReaderPatience } from './slow-peers.ts';

/**
 * The shortest delay of the response to a rejected request: clients that retry at once would take time from admitted
 * requests. The delay is up to twice as long, so that those rejected together do not come back together.
 */
const REJECTION_DELAY_MS = 1000;

const rejectionDelayMs = () => REJECTION_DELAY_MS * (1 + Math.random());

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The most bytes a request of this route holds in memory; such requests are subject to admission. */
    reservesBytes?: number;
    /** Whether the route accepts events, one or many; its rejections are counted by error code. */
    acceptsEvents?: 'one' | 'many';
  }
  interface FastifyRequest {
    /** The reservation, if the route is subject to admission. */
    hold: Hold | undefined;
  }
}

export interface AdmitOptions {
  admission: Admission;
  rateLimits: RateLimits;
  /** A reader that reads nothing for this long is disconnected. */
  streamTimeoutMs: number;
  /** Some part of a body must arrive within this time. */
  bodyTimeoutMs: number;
}

/**
 * For an admitted request that turns out too large: it releases its memory, and its response is delayed like theirs.
 */
export async function giveUp({ hold }: FastifyRequest, reply: FastifyReply): Promise<void> {
  if (hold === undefined) return;
  hold.leave();
  // The framework closes connections whose bodies fail. Accepting a new connection costs more, and `connections.ts`
  // closes those that need it.
  reply.removeHeader('Connection');
  await sleep(rejectionDelayMs());
}

/** Admits a request if there is room for what it may hold, and only while its peer keeps up. */
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
      setTimeout(done, rejectionDelayMs(), error as Error);
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

/** Does work that goes on when the connection closes, and that needs what is reserved until it has ended. */
export function whileHeld<T>({ hold }: FastifyRequest, work: () => Promise<T>): Promise<T> {
  return hold === undefined ? work() : hold.during(work);
}

/** Who is accountable for a request: its caller, or its address if callers have no names. */
export function senderOf({ caller, ip }: FastifyRequest): string {
  return caller?.name ?? ip;
}
