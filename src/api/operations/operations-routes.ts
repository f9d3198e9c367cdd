import type { FastifyInstance } from 'fastify';
import type { Metrics } from '../../observability/metrics.ts';
import type { Health } from '../../operations/health.ts';

export interface OperationsRoutesOptions {
  health: Health;
  metrics: Metrics;
  /** In the format of Prometheus: of all processes of this instance. */
  allMetrics(): Promise<string>;
  /** False in an instance that only processes: it answers probes and metrics. */
  takesEvents: boolean;
}

/** Health, probes and metrics: for load balancers, orchestrators and whoever is woken at night. */
export async function operationsRoutes(
  api: FastifyInstance,
  { health, metrics, allMetrics, takesEvents }: OperationsRoutesOptions,
): Promise<void> {
  api.get('/health', async (_request, reply) => {
    const { log, store, consumer } = await health.check();
    const consuming = log.ok && store.ok && consumer.ok;
    return reply.code(consuming ? 200 : 503).send({
      status: consuming ? 'healthy' : 'degraded',
      producer: log.ok ? 'connected' : 'disconnected',
      consumer: consuming ? 'connected' : 'disconnected',
    });
  });

  api.get('/livez', async () => ({ status: 'alive' }));

  api.get('/readyz', async (_request, reply) => {
    const report = await health.check();
    // By duty: while the store is away, events are still taken, and must not be turned away in front of this instance.
    const needed = takesEvents ? [report.log] : Object.values(report);
    const ready = needed.every(({ ok }) => ok);
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready', ...report });
  });

  api.get('/metrics', { config: { scope: 'metrics' } }, async (_request, reply) => {
    return reply.type(metrics.registry.contentType).send(await allMetrics());
  });
}
