import type { FastifyReply, FastifyRequest } from 'fastify';
import { COUNT_MOST, type CountLimits } from '../../query/count-budget.ts';

/** Limits for a request that counts: its memory is reserved, and the work ends when the connection does. */
export function countLimits(request: FastifyRequest, reply: FastifyReply): CountLimits {
  return {
    most: COUNT_MOST,
    reserve: (bytes) => request.hold?.grow(bytes),
    isWanted: () => !reply.raw.destroyed,
  };
}
