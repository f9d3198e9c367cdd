import type { FastifyInstance } from 'fastify';
import type { ApiOptions } from '../server.ts';

/** Health, probes and metrics: for load balancers, orchestrators and whoever is woken at night. */
export async function operationsRoutes(
  api: FastifyInstance,
  { health, metrics, allMetrics, takesEvents }: ApiOptions,
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
