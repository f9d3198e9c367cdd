// In: rejected events and the reasons. Out: the latest of them, so that their senders can see what is wrong.
import type { Clock } from '../clock.ts';
import type { ApiError, ErrorCode } from '../errors.ts';
import type { NewEvent } from '../events/event.ts';

/** A rejected event, or a request that was rejected as a whole. */
export interface RejectedEvent {
  /** Ascending from 1; restarts with the process. */
  id: number;
  rejectedAt: Date;
  /** Name of the caller; null if callers have no names. */
  caller: string | null;
  code: ErrorCode;
  /** Where it was sent, such as `/events/generate`. */
  path: string;
  errors: readonly string[];
  /** The body, at most MAX_BODY_CHARACTERS of it; null if it was not kept or not read. */
  body: string | null;
  isTruncated: boolean;
}

interface RejectedQuery {
  limit: number;
  /** Only ids below this. */
  before?: number | undefined;
  /** Only ids above this. */
  after?: number | undefined;
  code?: string | undefined;
  caller?: string | undefined;
}

const MAX_BODY_CHARACTERS = 10_000;
/** Approximate bytes of an entry besides its texts. */
const ENTRY_BYTES = 400;
/** Errors that the caller fixes elsewhere: by sending a key, waiting, or sending the body faster. */
const NOT_ABOUT_EVENTS: readonly number[] = [401, 403, 408, 429];

/** This instance's latest rejected events, in memory. When full, the caller with the most entries loses its oldest. */
export class RejectedEvents {
  readonly #maxBytes: number;
  readonly #clock: Pick<Clock, 'date'>;
  readonly #byCaller = new Map<string | null, { entries: RejectedEvent[]; bytes: number }>();
  #bytes = 0;
  #lastId = 0;

  /** @param maxBytes for all callers together; 0 keeps nothing */
  constructor({ maxBytes, clock }: { maxBytes: number; clock: Pick<Clock, 'date'> }) {
    this.#maxBytes = maxBytes;
    this.#clock = clock;
  }

  /** Keeps errors that the caller has to fix; transient ones are not kept. */
  add(
    error: ApiError,
    { caller, path, body }: { caller: string | undefined; path: string; body?: Buffer | string | undefined },
  ): void {
    const { code, status, retryable, details, message } = error;
    if (this.#maxBytes === 0 || retryable || status >= 500 || NOT_ABOUT_EVENTS.includes(status)) return;
    const text = body === undefined ? undefined : textOf(body);
    const entry: RejectedEvent = {
      id: ++this.#lastId,
      rejectedAt: this.#clock.date(),
      caller: caller ?? null,
      code,
      path,
      errors: (details ?? [message]).map(copyOf),
      body: text === undefined ? null : copyOf(text.slice(0, MAX_BODY_CHARACTERS)),
      isTruncated: text !== undefined && text.length > MAX_BODY_CHARACTERS,
    };
    const own = this.#byCaller.get(entry.caller) ?? { entries: [], bytes: 0 };
    this.#byCaller.set(entry.caller, own);
    own.entries.push(entry);
    own.bytes += bytesOf(entry);
    this.#bytes += bytesOf(entry);
    while (this.#bytes > this.#maxBytes) this.#forgetOne();
  }

  /** Newest first. */
  list({
    limit,
    before = Number.POSITIVE_INFINITY,
    after = 0,
    code,
    caller,
  }: RejectedQuery): RejectedEvent[] {
    const all = [...this.#byCaller.values()].flatMap(({ entries }) => entries);
    return all
      .filter((one) => one.id < before && one.id > after)
      .filter((one) => code === undefined || one.code === code)
      .filter((one) => caller === undefined || one.caller === caller)
      .sort((a, b) => b.id - a.id)
      .slice(0, limit);
  }

  #forgetOne(): void {
    const [most] = [...this.#byCaller.values()].sort((a, b) => b.bytes - a.bytes);
    const bytes = bytesOf(most!.entries.shift()!);
    most!.bytes -= bytes;
    this.#bytes -= bytes;
  }
}

/** A new event in the form its sender probably used, for when the body is gone. */
export function eventText({ eventId, userId, eventType, payload }: NewEvent): string {
  return `${JSON.stringify({ eventId, userId, eventType }).slice(0, -1)},"payload":${payload}}`;
}

/** A character has at most four bytes, so no more need be decoded. */
function textOf(body: Buffer | string): string {
  return typeof body === 'string' ? body : body.subarray(0, MAX_BODY_CHARACTERS * 4).toString('utf8');
}

/** A well-formed copy: a slice would keep the whole original string in memory. */
function copyOf(text: string): string {
  return Buffer.from(text).toString();
}

/** A character of a string takes at most two bytes. */
function bytesOf({ body, errors }: RejectedEvent): number {
  return errors.reduce((sum, error) => sum + error.length * 2, ENTRY_BYTES + (body?.length ?? 0) * 2);
}
