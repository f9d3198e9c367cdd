import type { FastifyInstance, FastifySchema } from 'fastify';
import Type from 'typebox';
import { METRICS_KEPT_MS, type MetricsHistory, SAMPLE_EVERY_MS } from '../../operations/metrics-history.ts';
import { QueryReader, type QueryString } from '../openapi/query-reader.ts';
import { count } from '../openapi/reading-schemas.ts';
import { answers, json, ref } from '../openapi/schemas.ts';

/** As many as a chart can use. */
const MAX_POINTS = 360;
const PAGE_BYTES = 100_000;
const LIMITS = { least: 1, most: METRICS_KEPT_MS / 60_000, fallback: 60 };

const QUERY = Type.Object({ minutes: count(LIMITS) });

const GET_HISTORY: FastifySchema = {
  operationId: 'getMetricsHistory',
  tags: ['Operations'],
  summary: 'Rates, lag and latency over the last minutes',
  description: `Sampled by this instance every ${SAMPLE_EVERY_MS / 1000} seconds and kept in memory for ${METRICS_KEPT_MS / 3_600_000} hours, oldest first. At most ${MAX_POINTS} samples: over longer periods, rates are averages and all other values maxima. What was not known at the time is null.`,
  querystring: QUERY,
  response: answers.read({ 200: json('Samples.', ref('MetricsHistory')) }, 'invalid_query'),
};

export interface HistoryRoutesOptions {
  history: Pick<MetricsHistory, 'list'>;
}

/** An operator's first question at night: since when? */
export async function historyRoutes(api: FastifyInstance, { history }: HistoryRoutesOptions): Promise<void> {
  const config = { reservesBytes: PAGE_BYTES, scope: 'metrics' } as const;
  api.get<{ Querystring: QueryString }>(
    '/metrics/history',
    { schema: GET_HISTORY, config },
    async ({ query }) => {
      const reader = new QueryReader(query, QUERY);
      const minutes = reader.integer('minutes');
      reader.done();
      const samples = history.list({ lastMs: minutes * 60_000, points: MAX_POINTS });
      return { samples: samples.map(({ at, ...sample }) => ({ at: new Date(at).toISOString(), ...sample })) };
    },
  );
}
