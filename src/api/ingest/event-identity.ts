// How a request identifies its events apart from their own ids.
import type { FastifyRequest } from 'fastify';
import { ApiError } from '../../errors.ts';
import { MAX_ID_LENGTH, type NewEvent } from '../../events/event.ts';
import { callersUuid } from '../../events/event-ids.ts';

const IDEMPOTENCY_KEY = 'idempotency-key';
const CONTENT = 'content';

/** Assigns an eventId to an event without one. @param text as sent */
type Identify = (event: NewEvent, text: string) => NewEvent;

/** Whether events without ids are deduplicated by content: `?dedupe=content`. */
export function countsContentOnce({ query }: FastifyRequest): boolean {
  return (query as Record<string, unknown>).dedupe === CONTENT;
}

/**
 * Reads `Idempotency-Key` and `?dedupe=content`. An event's own id takes precedence over the key, and the key over the
 * content.
 *
 * @param isMany if a request holds many events, each is identified by the key and its index
 * @throws ApiError `invalid_event` for an invalid key, `invalid_query` for an invalid parameter
 */
export function readIdentity(request: FastifyRequest, { isMany }: { isMany: boolean }): Identify {
  const { dedupe } = request.query as Record<string, unknown>;
  if (dedupe !== undefined && dedupe !== CONTENT) {
    throw new ApiError('invalid_query', { details: [`dedupe must be ${CONTENT}`] });
  }
  const caller = request.caller?.name;
  const key = readKey(request);
  if (key !== undefined) {
    let index = 0;
    return (event) => {
      const own = isMany ? [key, String(index++)] : [key];
      return withId(event, () => callersUuid(caller, IDEMPOTENCY_KEY, ...own));
    };
  }
  if (dedupe === undefined) return (event) => event;
  const counts = new Map<string, number>();
  return (event, text) => withId(event, () => nthOf(counts, callersUuid(caller, CONTENT, text), caller));
}

function readKey({ headers }: FastifyRequest): string | undefined {
  const key = headers[IDEMPOTENCY_KEY];
  if (key === undefined) return undefined;
  if (typeof key === 'string' && key !== '' && key.length <= MAX_ID_LENGTH) return key;
  const problem = `Idempotency-Key must be 1 to ${MAX_ID_LENGTH} characters long`;
  throw new ApiError('invalid_event', { details: [problem] });
}

function withId(event: NewEvent, eventId: () => string): NewEvent {
  return event.eventId === undefined ? { ...event, eventId: eventId() } : event;
}

/** Equal events within one request stay separate events; if all are resent together, each is recognised. */
function nthOf(counts: Map<string, number>, id: string, caller: string | undefined): string {
  const before = counts.get(id) ?? 0;
  counts.set(id, before + 1);
  return before === 0 ? id : callersUuid(caller, CONTENT, id, String(before));
}
