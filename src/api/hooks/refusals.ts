import type { FastifyRequest } from 'fastify';
import type { ApiError } from '../../errors.ts';
import type { Logger } from '../../observability/logger.ts';
import { type Metrics, REFUSALS } from '../../observability/metrics.ts';
import { describeRequest, LineBudget } from './log-lines.ts';

/** Missing or not yet existing resources: routine, not worth a line. */
const QUIET = ['event_not_found', 'dead_letter_not_found'];

/** Counts requests rejected for their sender or target and logs them, rate-limited. */
export class Refusals {
  readonly #logger: Logger;
  readonly #metrics: Metrics;
  readonly #lines = new LineBudget();

  constructor(logger: Logger, metrics: Metrics) {
    this.#logger = logger;
    this.#metrics = metrics;
  }

  note(request: FastifyRequest, { code, status }: ApiError): void {
    if (!REFUSALS.includes(status)) return;
    this.#metrics.requestsRefused.inc({ code });
    if (QUIET.includes(code)) return;
    const omitted = this.#lines.take(code);
    if (omitted === undefined) return;
    this.#logger.warn(
      { code, ...describeRequest(request), omitted: omitted > 0 ? omitted : undefined },
      '[API] Request refused',
    );
  }
}
