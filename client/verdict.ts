import type { Entry } from './event.ts';
import type { Answer, Result } from './request.ts';

/** What an answer means for the events that were sent. What is neither done nor refused is sent again. */
export interface Verdict {
  done: Entry[];
  refused: Entry[];
  /** Why, for each that is refused. */
  reasons: string[];
  /** What to do before the next request. */
  next: 'go on' | 'send fewer' | 'wait' | 'wait long';
  /** Why to wait. */
  problem: string;
}

/** Of where the service stopped to read, not of the event there. */
const STOPPED = ['batch_too_large', 'body_incomplete', 'bad_request'];
/** Of the body, so of some event in it. The others are of the key, the address, or the service. */
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
  // Nothing came of it: the next request would be the same.
  if (verdict.done.length + verdict.refused.length === 0) verdict.next = 'wait';
  return verdict;
}

function isWorthRetrying(status: number): boolean {
  return status >= 500 || status === 408 || status === 429;
}
