import type { FastifyInstance } from 'fastify';
import type { Span, Tracing } from '../../observability/tracing.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Its step in a trace; undefined if it is not traced. */
    span: Span | undefined;
  }
}

/**
 * Begins a step for each request that uses events, or continues the trace of its sender. Must run after authentication:
 * what strangers send costs no spans.
 */
export function traceRequests(api: FastifyInstance, tracing: Tracing | undefined): void {
  api.decorateRequest('span', undefined);
  if (tracing === undefined) return;
  api.addHook('onRequest', (request, _reply, done) => {
    const { url: route, config } = request.routeOptions;
    // What asks for health and metrics asks all the time.
    if (config.scope !== undefined && config.scope !== 'metrics') {
      const parent = request.headers.traceparent as string | undefined;
      const attributes = { 'http.request.method': request.method, 'http.route': route };
      request.span = tracing.start(`${request.method} ${route}`, { kind: 'server', parent, attributes });
    }
    done();
  });
  api.addHook('onResponse', ({ span, id, caller }, { statusCode }, done) => {
    span?.end({
      attributes: {
        'http.response.status_code': statusCode,
        'footfall.request_id': id,
        'footfall.key': caller?.name,
      },
      error: statusCode >= 500 ? `status ${statusCode}` : undefined,
    });
    done();
  });
}
