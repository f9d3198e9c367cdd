import type { FastifyInstance, FastifySchema } from 'fastify';
import Type from 'typebox';
import type { Metrics } from '../../observability/metrics.ts';
import type { Health } from '../../operations/health.ts';
import { answer, answers, json, ref } from '../openapi/schemas.ts';

const GET_HEALTH: FastifySchema = {
  operationId: 'getHealth',
  tags: ['Operations'],
  summary: 'Whether events are accepted and stored right now',
  response: answers.open({
    200: json('They are.', ref('Health')),
    503: json('They are not.', Type.Union([ref('Health'), ref('Problem')])),
  }),
};

const GET_LIVENESS: FastifySchema = {
  operationId: 'getLiveness',
  tags: ['Operations'],
  summary: 'Whether the process runs',
  response: answers.open({ 200: json('It does.', Type.Object({ status: Type.Literal('alive') })) }),
};

const GET_READINESS: FastifySchema = {
  operationId: 'getReadiness',
  tags: ['Operations'],
  summary: 'Whether log, store and consumer work, each with its reason, and whether it stops',
  response: answers.open({
    200: json('They do.', ref('Readiness')),
    503: json(
      'One does not, or the service is being stopped.',
      Type.Union([ref('Readiness'), ref('Problem')]),
    ),
  }),
};

const GET_METRICS: FastifySchema = {
  operationId: 'getMetrics',
  tags: ['Operations'],
  summary: 'Metrics in the format of Prometheus',
  response: answers.read({ 200: answer('All of them.', { 'text/plain': Type.String() }) }),
};

export interface OperationsRoutesOptions {
  health: Health;
  metrics: Metrics;
  /** In the Prometheus format, for all processes of this instance. */
  allMetrics(): Promise<string>;
  isStopping(): boolean;
  /** False in an instance that only processes: it serves probes and metrics. */
  acceptsEvents: boolean;
}

/** Health, probes and metrics: for load balancers, orchestrators and whoever is on call. */
export async function operationsRoutes(
  api: FastifyInstance,
  { health, metrics, allMetrics, acceptsEvents, isStopping }: OperationsRoutesOptions,
): Promise<void> {
  api.get('/health', { schema: GET_HEALTH }, async (_request, reply) => {
    const { log, store, consumer } = await health.check();
    const consuming = log.ok && store.ok && consumer.ok;
    return reply.code(consuming ? 200 : 503).send({
      status: consuming ? 'healthy' : 'degraded',
      producer: log.ok ? 'connected' : 'disconnected',
      consumer: consuming ? 'connected' : 'disconnected',
    });
  });

  api.get('/livez', { schema: GET_LIVENESS }, async () => ({ status: 'alive' }));

  api.get('/readyz', { schema: GET_READINESS }, async (_request, reply) => {
    const report = await health.check();
    // Readiness by role: while the store is down, events are still accepted, so load balancers must keep sending
    // traffic.
    const needed = acceptsEvents ? [report.log] : Object.values(report);
    if (isStopping()) return reply.code(503).send({ status: 'stopping', ...report });
    const ready = needed.every(({ ok }) => ok);
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready', ...report });
  });

  api.get('/metrics', { schema: GET_METRICS, config: { scope: 'metrics' } }, async (_request, reply) => {
    return reply.type(metrics.registry.contentType).send(await allMetrics());
  });
}
