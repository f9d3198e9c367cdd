import type { FastifyInstance } from 'fastify';
import type { ApiOptions } from './server.ts';

/** Health, probes and metrics: for load balancers, orchestrators and whoever is woken at night. */
export async function operationsRoutes(
  api: FastifyInstance,
  { health, metrics, allMetrics }: ApiOptions,
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
    const ready = Object.values(report).every(({ ok }) => ok);
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready', ...report });
  });

  api.get('/metrics', { config: { scope: 'read' } }, async (_request, reply) => {
    return reply.type(metrics.registry.contentType).send(await allMetrics());
  });
}
