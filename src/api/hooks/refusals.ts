import type { FastifyRequest } from 'fastify';
import type { ApiError } from '../../errors.ts';
import type { Logger } from '../../observability/logger.ts';
import type { Metrics } from '../../observability/metrics.ts';

/** Lines per minute and code; further ones are only counted. */
const LINES = 10;
const WINDOW_MS = 60_000;
const PATH_LENGTH = 200;
const STATUSES = [401, 403, 404];
/** Missing or not yet existing resources: routine, not worth a line. */
const QUIET = ['event_not_found', 'dead_letter_not_found'];

interface Window {
  startedAt: number;
  lines: number;
}

/** Counts requests rejected for their sender or target and logs them, rate-limited. */
export class Refusals {
  readonly #logger: Logger;
  readonly #metrics: Metrics;
  readonly #windows = new Map<string, Window>();

  constructor(logger: Logger, metrics: Metrics) {
    this.#logger = logger;
    this.#metrics = metrics;
  }

  note(request: FastifyRequest, { code, status }: ApiError): void {
    if (!STATUSES.includes(status)) return;
    this.#metrics.requestsRefused.inc({ code });
    if (QUIET.includes(code)) return;
    const omitted = this.#take(code);
    if (omitted === undefined) return;
    // Without the query, which may contain a page's key.
    const path = request.url.split('?', 1)[0]!.slice(0, PATH_LENGTH);
    this.#logger.warn(
      {
        code,
        method: request.method,
        path,
        key: request.caller?.name,
        address: request.ip,
        omitted: omitted > 0 ? omitted : undefined,
      },
      '[API] Request refused',
    );
  }

  /** @returns how many lines were suppressed before this one; undefined if this one is suppressed too */
  #take(code: string): number | undefined {
    const now = performance.now();
    const known = this.#windows.get(code);
    if (known !== undefined && now - known.startedAt < WINDOW_MS) {
      known.lines++;
      return known.lines > LINES ? undefined : 0;
    }
    this.#windows.set(code, { startedAt: now, lines: 1 });
    return Math.max(0, (known?.lines ?? 0) - LINES);
  }
}
