import { ApiError, type ErrorCode } from '../errors.ts';
import type { AppendError, AppendFailure } from '../log/event-log.ts';

const CODES: Record<AppendFailure, ErrorCode> = {
  unconfirmed: 'publish_failed',
  'too-large': 'body_too_large',
  refused: 'record_refused',
};

/** The caller's error when the log did not accept its event. */
export function toApiError({ failure, message, cause }: AppendError): ApiError {
  return new ApiError(CODES[failure], { message: failure === 'too-large' ? message : undefined, cause });
}
