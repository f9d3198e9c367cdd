// In: the elements of a batch as they arrive. Out: the result of each, once the last one is durable.

import { ApiError, type ErrorCode } from '../errors.ts';
import type { Catalog } from '../events/catalog.ts';
import { type NewEvent, readNewEvent } from '../events/event.ts';
import { type JsonObject, parseJsonBody } from '../json/json-body.ts';
import type { Acceptance, Accepted } from './producer.ts';
import { eventText } from './rejected-events.ts';

/** Reads one element. @throws ApiError why it is not a valid event */
export type ReadEvent = (element: JsonObject) => NewEvent;

/** An event in a batch: as for `POST /events/generate`, plus an optional `timestamp`. */
export function readBatchEvent(catalog: Catalog, caller: string | undefined): ReadEvent {
  return (element) => readNewEvent(element, catalog, { acceptsTimestamp: true, caller });
}

/** The result of one element. Without the event's text, which would keep all of a large batch in memory. */
export type BatchResult = Omit<Accepted, 'json'> | ApiError;

const CHUNK_EVENTS = 500;
const CHUNK_BYTES = 512_000;
/** Bytes a result takes besides its texts, until the response is sent. */
const RESULT_BYTES = 300;
/** Rejected elements reported in detail; later ones are not. */
const DETAILED_REFUSALS = 1000;
/** Beyond `DETAILED_REFUSALS`, a batch is abandoned if more than this many are rejected for each accepted one. */
const REFUSED_PER_TAKEN = 9;
/** Rejected elements are counted in groups of this size. */
const CHUNK_REFUSED = 100;
/** Memory for results is reserved in steps of this size: a few hundred results at a time. */
const HELD_STEP_BYTES = 100_000;

/** Limits of a batch; whatever exceeds them is not read. */
export interface BatchLimits {
  events: number;
  bytes: number;
}

export interface BatchOptions {
  read: ReadEvent;
  limits: BatchLimits;
  /** As `Producer.acceptAll`. */
  accept(events: readonly NewEvent[], bytes: number): Promise<Acceptance[]>;
  /** @throws ApiError if the sender's rate limit does not allow this many more events now */
  checkRateLimit(events: readonly NewEvent[]): Promise<void>;
  /** Resolves when further elements may be rejected. */
  mayRefuse(elements: number): Promise<void>;
  /** Receives the first thousand rejected elements of a batch, with their bodies. */
  onRejected(error: ApiError, body: Buffer | string | undefined): void;
  /** Reserves memory for results. @throws ApiError `overloaded` when there is no room */
  hold(bytes: number): void;
}

/** Appends events to the log a few hundred at a time, and records the result of each. */
export class Batch {
  readonly results: BatchResult[] = [];
  readonly #options: BatchOptions;
  /** Read and not appended yet, with their indexes in `results`. */
  #chunk: { event: NewEvent; at: number }[] = [];
  #chunkBytes = 0;
  #bytes = 0;
  #refused = 0;
  #countedRefused = 0;
  #heldBytes = 0;

  constructor(options: BatchOptions) {
    this.#options = options;
  }

  /** Whether to flush before adding more. */
  get isFull(): boolean {
    return (
      this.#chunk.length >= CHUNK_EVENTS ||
      this.#chunkBytes >= CHUNK_BYTES ||
      this.#refused - this.#countedRefused >= CHUNK_REFUSED
    );
  }

  /** @returns false once a limit is reached: neither this element nor any later one is accepted */
  add(element: Buffer | 'too-large'): boolean {
    this.#bytes += element.length;
    const end = this.#endBefore();
    if (end !== undefined) {
      this.fail(end);
      return false;
    }
    const event = this.#readElement(element);
    if (event instanceof ApiError) {
      this.#refuse(event, element);
      return true;
    }
    this.#chunk.push({ event, at: this.results.length });
    // A placeholder; the result follows when its chunk is appended.
    this.results.push(UNKNOWN);
    this.#chunkBytes += element.length;
    this.#heldBytes += RESULT_BYTES + textBytes(event.warnings);
    return true;
  }

  /** Why the next element is not read. */
  #endBefore(): ApiError | undefined {
    const { limits, hold } = this.#options;
    const read = this.results.length;
    if (read >= limits.events || this.#bytes > limits.bytes) return new ApiError('batch_too_large');
    const taken = read - this.#refused;
    if (this.#refused >= DETAILED_REFUSALS && this.#refused > taken * REFUSED_PER_TAKEN) {
      return new ApiError('batch_abandoned');
    }
    if (this.#heldBytes < HELD_STEP_BYTES) return undefined;
    try {
      hold(this.#heldBytes);
    } catch (error) {
      if (error instanceof ApiError) return error;
      throw error;
    }
    this.#heldBytes = 0;
    return undefined;
  }

  #refuse(error: ApiError, element: Buffer | 'too-large'): void {
    this.#refused++;
    const isDetailed = this.#refused <= DETAILED_REFUSALS;
    if (isDetailed) {
      this.#heldBytes += RESULT_BYTES + textBytes(error.details);
      this.#options.onRejected(error, element === 'too-large' ? undefined : element);
    }
    this.fail(isDetailed ? error : plain(error.code));
  }

  /** Records an error in place of the next element. */
  fail(error: ApiError): void {
    this.results.push(error);
  }

  /** Resolves when the results of all events added so far are known. */
  async flush(): Promise<void> {
    await this.#countRefused();
    const [chunk, bytes] = [this.#chunk, this.#chunkBytes];
    this.#chunk = [];
    this.#chunkBytes = 0;
    const events = chunk.map(({ event }) => event);
    const answers = await this.#accept(events, bytes);
    for (const [index, { event, at }] of chunk.entries()) {
      const answer = answers[index]!;
      this.results[at] = withoutText(answer);
      if (answer instanceof ApiError && !answer.retryable) this.#options.onRejected(answer, eventText(event));
    }
  }

  async #countRefused(): Promise<void> {
    const uncounted = this.#refused - this.#countedRefused;
    if (uncounted === 0) return;
    this.#countedRefused = this.#refused;
    await this.#options.mayRefuse(uncounted);
  }

  async #accept(events: readonly NewEvent[], bytes: number): Promise<Acceptance[]> {
    if (events.length === 0) return [];
    try {
      await this.#options.checkRateLimit(events);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return events.map(() => error);
    }
    return this.#options.accept(events, bytes);
  }

  #readElement(element: Buffer | 'too-large'): NewEvent | ApiError {
    try {
      if (element === 'too-large')
        throw new ApiError('body_too_large', { message: 'The event is too large' });
      return this.#options.read(parseJsonBody(element));
    } catch (error) {
      if (error instanceof ApiError) return error;
      // Stack overflow: this element is the cause, not its neighbours.
      if (error instanceof RangeError)
        return new ApiError('invalid_event', { details: ['the event is nested too deeply'] });
      throw error;
    }
  }
}

/** Errors that carry nothing but their code: one object serves all elements. */
const plainErrors = new Map<ErrorCode, ApiError>();

function plain(code: ErrorCode): ApiError {
  const known = plainErrors.get(code) ?? new ApiError(code);
  plainErrors.set(code, known);
  return known;
}

function textBytes(texts: readonly string[] = []): number {
  return texts.reduce((sum, text) => sum + text.length, 0);
}

function withoutText(answer: Acceptance): BatchResult {
  if (answer instanceof ApiError) return answer;
  const { json: _json, ...result } = answer;
  return result;
}

const UNKNOWN = new ApiError('internal_error');
