import type { Entry } from './event.ts';
import type { Answer, Result } from './request.ts';

/** The meaning of a response for the events sent. Those neither done nor rejected are sent again. */
export interface Verdict {
  done: Entry[];
  refused: Entry[];
  /** The reason for each rejected event. */
  reasons: string[];
  /** What to do before the next request. */
  next: 'go on' | 'send fewer' | 'wait' | 'wait long';
  /** Why to wait. */
  problem: string;
}

/** About the place where the service stopped reading, not about the event there. */
const STOPPED = ['batch_too_large', 'body_incomplete', 'bad_request'];
/** About the body, so about some event in it. The others concern the key, the URL, or the service. */
const ABOUT_THE_BODY = [400, 413, 422];

export function judge(batch: readonly Entry[], answer: Answer): Verdict {
  const { status, results, problem } = answer;
  const verdict: Verdict = { done: [], refused: [], reasons: [], next: 'wait', problem };
  if (results) return judgeEach(batch, results, verdict);
  if (ABOUT_THE_BODY.includes(status)) {
    if (batch.length > 1) return { ...verdict, next: 'send fewer' };
    return { ...verdict, refused: [...batch], reasons: [problem], next: 'go on' };
  }
  if (status > 0 && !isWorthRetrying(status)) verdict.next = 'wait long';
  return verdict;
}

function judgeEach(batch: readonly Entry[], results: readonly Result[], verdict: Verdict): Verdict {
  verdict.next = 'go on';
  for (const [at, entry] of batch.entries()) {
    const { status = 0, code = '', retryable, errors } = results[at] ?? {};
    const reason = errors?.join?.('; ') ?? `${status}`;
    if (status >= 200 && status < 300) verdict.done.push(entry);
    else if (retryable ?? isWorthRetrying(status)) {
      verdict.next = 'wait';
      verdict.problem = reason;
    } else if (status >= 400 && !(at > 0 && STOPPED.includes(code))) {
      verdict.refused.push(entry);
      verdict.reasons.push(reason);
    }
  }
  // No progress: the next request would be identical.
  if (verdict.done.length + verdict.refused.length === 0) verdict.next = 'wait';
  return verdict;
}

function isWorthRetrying(status: number): boolean {
  return status >= 500 || status === 408 || status === 429;
}
