// Shared by all log lines about requests.
import type { FastifyRequest } from 'fastify';

const PATH_LENGTH = 200;

/** Who asked for what. Never the query, which may contain a page's key, and never the body. */
export function describeRequest(request: FastifyRequest): Record<string, unknown> {
  return {
    requestId: request.id,
    traceparent: request.span?.traceparent,
    method: request.method,
    path: request.url.split('?', 1)[0]!.slice(0, PATH_LENGTH),
    key: request.caller?.name,
    address: request.ip,
  };
}

/** Lines per minute and kind; further ones are only counted. */
const LINES = 10;
const WINDOW_MS = 60_000;

interface Window {
  startedAt: number;
  lines: number;
}

/** Keeps a flood of requests from becoming a flood of lines. */
export class LineBudget {
  readonly #windows = new Map<string, Window>();

  /** @returns how many lines of this kind were suppressed before this one; undefined if this one is suppressed too */
  take(kind: string): number | undefined {
    const now = performance.now();
    const known = this.#windows.get(kind);
    if (known !== undefined && now - known.startedAt < WINDOW_MS) {
      known.lines++;
      return known.lines > LINES ? undefined : 0;
    }
    this.#windows.set(kind, { startedAt: now, lines: 1 });
    return Math.max(0, (known?.lines ?? 0) - LINES);
  }
}
