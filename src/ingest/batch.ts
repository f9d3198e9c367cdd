// In: the elements of a batch as they arrive. Out: what became of each, when the last is durable.

import { ApiError, type ErrorCode } from '../errors.ts';
import type { Catalog } from '../events/catalog.ts';
import { type NewEvent, readNewEvent } from '../events/event.ts';
import { type JsonObject, parseJsonBody } from '../json/json-body.ts';
import type { Acceptance, Accepted } from './producer.ts';
import { eventText } from './rejected-events.ts';

/** Reads one element. @throws ApiError why it is not a valid event */
export type ReadEvent = (element: JsonObject) => NewEvent;

/** An event as its client sends it in a batch: as for `POST /events/generate`, and with a `timestamp` if wanted. */
export function readBatchEvent(catalog: Catalog, caller: string | undefined): ReadEvent {
  return (element) => readNewEvent(element, catalog, { acceptsTimestamp: true, caller });
}

/** What became of one element. Without the event's text: of a large batch that would be all of it. */
export type BatchResult = Omit<Accepted, 'json'> | ApiError;

const CHUNK_EVENTS = 500;
const CHUNK_BYTES = 512_000;
/** What a result takes beside its texts, until it is answered. */
const RESULT_BYTES = 300;
/** Of so many that are refused it is said in detail why, and how. */
const DETAILED_REFUSALS = 1000;
/** A batch is not read on when so many of it are refused for each that is taken, from that number on. */
const REFUSED_PER_TAKEN = 9;
/** Refused elements are counted so many at a time. */
const CHUNK_REFUSED = 100;
/** Results are counted some hundred at a time. */
const HELD_STEP_BYTES = 100_000;

/** What a batch may hold; beyond, the rest of it is not read. */
export interface BatchLimits {
  events: number;
  bytes: number;
}

export interface BatchOptions {
  read: ReadEvent;
  limits: BatchLimits;
  /** As `Producer.acceptAll`. */
  accept(events: readonly NewEvent[], bytes: number): Promise<Acceptance[]>;
  /** @throws ApiError when its sender may not send so many more events just now */
  checkRateLimit(events: readonly NewEvent[]): Promise<void>;
  /** Resolves when more elements may be refused than these. */
  mayRefuse(elements: number): Promise<void>;
  /** Told of refused elements, with what was sent; of the first thousand of a batch. */
  onRejected(error: ApiError, body: Buffer | string | undefined): void;
  /** Counts what results hold. @throws ApiError `overloaded` when there is no room for them */
  hold(bytes: number): void;
}

/** Takes events into the log some hundred at a time, and remembers what became of each. */
export class Batch {
  readonly results: BatchResult[] = [];
  readonly #options: BatchOptions;
  /** Read and not appended yet, with their places in `results`. */
  #chunk: { event: NewEvent; at: number }[] = [];
  #chunkBytes = 0;
  #bytes = 0;
  #refused = 0;
  #countedRefused = 0;
  #heldBytes = 0;

  constructor(options: BatchOptions) {
    this.#options = options;
  }

  /** Whether what was added is to be flushed before there is more. */
  get isFull(): boolean {
    return (
      this.#chunk.length >= CHUNK_EVENTS ||
      this.#chunkBytes >= CHUNK_BYTES ||
      this.#refused - this.#countedRefused >= CHUNK_REFUSED
    );
  }

  /** @returns false once a limit is reached: this element and what follows are not taken */
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
    // Its place; what became of it follows when its chunk is appended.
    this.results.push(UNKNOWN);
    this.#chunkBytes += element.length;
    this.#heldBytes += RESULT_BYTES + textBytes(event.warnings);
    return true;
  }

  /** Why the next element is not looked at. */
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

  /** Notes an error where the next element would be. */
  fail(error: ApiError): void {
    this.results.push(error);
  }

  /** Resolves when it is known of all events added so far what became of them. */
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
      // Something recursed further than the stack allows: what is wrong is this element, and not its neighbours.
      if (error instanceof RangeError)
        return new ApiError('invalid_event', { details: ['the event is nested too deep'] });
      throw error;
    }
  }
}

/** Errors that say no more than their code: one for all elements it is true of. */
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
