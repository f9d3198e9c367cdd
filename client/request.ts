import type { Entry } from './event.ts';

/** The service's result for one event of a batch. */
export interface Result {
  status: number;
  code?: string;
  retryable?: boolean;
  errors?: string[];
}

/** The response. */
export interface Answer {
  /** 0: no response, or an incomplete one. */
  status: number;
  results?: Result[];
  /** Why the request did not fully succeed. */
  problem: string;
  /** As requested by the service; 0 if it did not. */
  retryAfterMs: number;
}

const MAX_RETRY_AFTER_MS = 3_600_000;

export interface RequestOptions {
  url: string;
  key?: string;
  timeoutMs: number;
}

/** Posts a batch. Never rejects: a missing response is reported as a result. */
export async function post(
  { url, key, timeoutMs }: RequestOptions,
  batch: readonly Entry[],
  keepalive: boolean,
  abort: AbortController,
): Promise<Answer> {
  const timer = setTimeout(() => abort.abort(new Error(`none within ${timeoutMs} ms`)), timeoutMs);
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...(key && { Authorization: `Bearer ${key}` }) },
      body: bodyOf(batch),
      keepalive,
      signal: abort.signal,
    });
    return await read(response);
  } catch (error) {
    // Browsers reveal no more: not whether the network failed or the service rejects this page's origin.
    const cause = (error as { cause?: unknown }).cause ?? error;
    const problem = `no answer (is it up, and may this origin call it?): ${messageOf(cause)}`;
    return { status: 0, problem, retryAfterMs: 0 };
  } finally {
    clearTimeout(timer);
  }
}

export function bodyOf(batch: readonly Entry[]): string {
  return `[${batch.map(({ text }) => text).join()}]`;
}

/** @throws when the response is cut off */
async function read(response: Response): Promise<Answer> {
  const { status, headers } = response;
  const body = parse(await response.text());
  const problem = body?.errors?.join?.('; ') ?? body?.error ?? 'not an answer of Footfall';
  return {
    status,
    ...(Array.isArray(body?.results) && { results: body.results }),
    problem: `${status}: ${problem}`,
    retryAfterMs: readRetryAfter(headers.get('Retry-After')),
  };
}

interface Body {
  error?: string;
  errors?: string[];
  results?: Result[];
}

/** The service answers in JSON; a proxy in front of it may not. */
function parse(text: string): Body | undefined {
  try {
    return JSON.parse(text) as Body;
  } catch {
    return undefined;
  }
}

/** Seconds, or a date. Anything above an hour is capped. */
function readRetryAfter(value: string | null): number {
  const ms = Number(value) * 1000 || Date.parse(value!) - Date.now();
  return Math.min(Math.max(0, ms || 0), MAX_RETRY_AFTER_MS);
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown';
}
