import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';

/** Goes into logs, so it must not look like anything else. */
const USABLE = /^[\w.:/+=@-]{1,128}$/;

/** The sender's own `X-Request-Id`, or a new one. */
export function requestIdOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && USABLE.test(given) ? given : randomUUID();
}

/** Puts the id that log lines have into every response. */
export function answerWithIds(api: FastifyInstance): void {
  api.addHook('onRequest', (request, reply, done) => {
    reply.header('X-Request-Id', request.id);
    done();
  });
}
