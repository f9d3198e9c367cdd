import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../../observability/logger.ts';
import type { Metrics } from '../../observability/metrics.ts';
import { describeRequest, LineBudget } from './log-lines.ts';

export interface RequestLogOptions {
  logger: Logger;
  metrics: Pick<Metrics, 'httpSeconds'>;
  /** Requests that take longer get a warning; 0: none. */
  slowRequestMs: number;
}

/**
 * Measures every request by its route, never its URL, and logs one line: a warning if it was slow or failed. Streams are
 * not measured.
 */
export function logRequests(
  api: FastifyInstance,
  { logger, metrics, slowRequestMs }: RequestLogOptions,
): void {
  const lines = new LineBudget();
  api.addHook('onResponse', (request, reply, done) => {
    const { method, routeOptions } = request;
    // A stream of events or an export lasts as long as its reader takes.
    const isStream = reply.statusCode === 200 && reply.getHeader('content-length') === undefined;
    const labels = { method, route: routeOptions.url ?? 'none', status: statusOf(reply) };
    if (!isStream) metrics.httpSeconds.observe(labels, reply.elapsedTime / 1000);
    const isSlow = !isStream && slowRequestMs > 0 && reply.elapsedTime > slowRequestMs;
    if (reply.statusCode >= 500) warn(request, reply, 'failed');
    else if (isSlow) warn(request, reply, 'slow');
    else if (logger.isLevelEnabled('debug')) logger.debug(describe(request, reply), '[API] Request');
    done();
  });

  function warn(request: FastifyRequest, reply: FastifyReply, kind: 'failed' | 'slow'): void {
    // Already logged by the error handler, with its cause.
    if (reply.getHeader('error-code') === 'internal_error') return;
    const omitted = lines.take(`${kind} ${request.routeOptions.url} ${reply.getHeader('error-code')}`);
    if (omitted === undefined) return;
    logger.warn(
      { ...describe(request, reply), omitted: omitted > 0 ? omitted : undefined },
      `[API] Request ${kind}`,
    );
  }
}

/** A peer that left before its response did not get any status. */
function statusOf(reply: FastifyReply): string {
  return reply.raw.headersSent ? String(reply.statusCode) : 'aborted';
}

function describe(request: FastifyRequest, reply: FastifyReply): Record<string, unknown> {
  return {
    ...describeRequest(request),
    status: statusOf(reply),
    code: reply.getHeader('error-code'),
    ms: Math.round(reply.elapsedTime),
    // For a single event: what to search its other log lines by.
    event: reply.getHeader('location'),
  };
}
