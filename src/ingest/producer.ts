// In: validated new events. Out: for each a receipt once it is durable in the log, or why it is not.
import type { Clock } from '../clock.ts';
import { ApiError } from '../errors.ts';
import { buildEvent, encodeEvent, type NewEvent, type UserEvent } from '../events/event.ts';
import { CALLER_HEADER, callersKey, isSameBut } from '../events/event-ids.ts';
import { AppendError, type EventLog, type NewRecord, type Receipt } from '../log/event-log.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import { type Span, TRACE_HEADER, type Tracing } from '../observability/tracing.ts';
import { type EventStore, isSameEvent } from '../store/event-store.ts';
import { toApiError } from './append-failure.ts';
import type { DuplicateEvents } from './duplicate-events.ts';
import { EarlierEvents } from './earlier-events.ts';
import { FailingAppends } from './failing-appends.ts';
import { type AcceptedEvent, RecentEvents } from './recent-events.ts';

const FAILURE_LOG_INTERVAL_MS = 5000;
const RECENT_BYTES = 16_000_000;

export interface ProducerOptions {
  log: EventLog;
  store: EventStore;
  topic: string;
  logger: Logger;
  metrics: Metrics;
  /** Undefined: off. */
  tracing?: Tracing | undefined;
  clock: Pick<Clock, 'date' | 'now'>;
  /** Whether the store may have removed events. */
  retention: { readonly mayHaveRemoved: boolean };
  newId(): string;
  /** Told of each event that was sent again and is not appended. */
  duplicates: Pick<DuplicateEvents, 'add'>;
  /** Log each n-th event; 0: none. */
  logEvery: number;
}

/** The result for a new event. */
export interface Accepted extends AcceptedEvent {
  eventId: string;
  /** The key for deduplication, as of `callersKey`. */
  key: string;
  /** It was already accepted under this id and is not stored again. */
  duplicate?: 'same' | undefined;
  warnings?: string[] | undefined;
}

export type Acceptance = Accepted | ApiError;

/** A new event with its UUID, ready to be appended. */
interface PreparedEvent {
  event: UserEvent;
  json: string;
  caller: string | undefined;
  key: string;
  varying: readonly string[] | undefined;
}

export class Producer {
  readonly #options: ProducerOptions;
  readonly #recent = new RecentEvents(RECENT_BYTES);
  /** Events with client-chosen ids that are being appended: a copy sent meanwhile waits for the first. */
  readonly #inFlight = new Map<string, Promise<Acceptance>>();
  #cachedMs = Number.NaN;
  #cachedTimestamp = '';
  #count = 0;
  #failures = 0;
  #failureLoggedAt = Number.NEGATIVE_INFINITY;
  readonly #failing: FailingAppends;
  readonly #earlier: EarlierEvents;

  constructor(options: ProducerOptions) {
    this.#options = options;
    this.#earlier = new EarlierEvents({ ...options, recent: this.#recent });
    this.#failing = new FailingAppends(options.clock);
  }

  /** Why nothing can be appended, as the latest attempts showed. */
  get problem(): string | undefined {
    return this.#failing.problem;
  }

  /**
   * @param trace the step it belongs to, as `traceparent`
   * @throws ApiError `id_conflict`, `event_removed`, or why it could not be appended
   */
  async accept(event: NewEvent, trace?: string): Promise<Accepted> {
    const prepared = [this.#prepare(event, this.#timestamp())];
    const [result] =
      event.eventId === undefined
        ? await this.#append(prepared, trace)
        : await this.#appendOnce([event], prepared, trace);
    if (result instanceof ApiError) throw result;
    return this.#withWarnings(result!, event);
  }

  /**
   * Prepares and appends events, in one write if they fit. One already sent by its caller under the same id is not
   * stored again; its result is that of the first.
   *
   * @param trace as of `accept`
   * @returns for each event, in the same order, its receipt, `id_conflict` if its caller already sent a different event
   *    under the same id, or its error as of `EventLog.append`
   */
  async acceptAll(events: readonly NewEvent[], trace?: string): Promise<Acceptance[]> {
    const timestamp = this.#timestamp();
    const prepared = events.map((event) => this.#prepare(event, timestamp));
    const answers = events.some(({ eventId }) => eventId !== undefined)
      ? await this.#appendOnce(events, prepared, trace)
      : await this.#append(prepared, trace);
    return answers.map((answer, at) =>
      answer instanceof ApiError ? answer : this.#withWarnings(answer, events[at]!),
    );
  }

  /** How many of these events are new, judging by their ids. */
  async countNew(events: readonly NewEvent[]): Promise<number> {
    const keys = events.flatMap(({ eventId, caller }) =>
      eventId === undefined ? [] : [callersKey(eventId, caller)],
    );
    const before = await this.#earlier.find(keys);
    return events.length - keys.filter((key) => before.has(key)).length;
  }

  /** An event this instance accepted recently, which may not be stored yet. */
  recent(key: string): AcceptedEvent | undefined {
    return this.#recent.get(key);
  }

  /** The log is down, and says so itself: what failed meanwhile shows nothing more. */
  forgetFailures(): void {
    this.#failing.forget();
  }

  #prepare(newEvent: NewEvent, acceptedAt: string): PreparedEvent {
    const event = buildEvent(newEvent, this.#options.newId, acceptedAt);
    const { caller, varying } = newEvent;
    return { event, json: encodeEvent(event), caller, key: callersKey(event.eventId, caller), varying };
  }

  /** The time in the events' format; formatted once per millisecond. */
  #timestamp(): string {
    const now = this.#options.clock.date();
    if (now.getTime() !== this.#cachedMs) {
      this.#cachedMs = now.getTime();
      this.#cachedTimestamp = now.toISOString();
    }
    return this.#cachedTimestamp;
  }

  async #appendOnce(
    events: readonly NewEvent[],
    prepared: readonly PreparedEvent[],
    trace: string | undefined,
  ): Promise<Acceptance[]> {
    const before = await this.#earlier.find(
      prepared.flatMap(({ key }, at) => (events[at]!.eventId === undefined ? [] : [key])),
    );
    const { promise: appended, resolve, reject } = Promise.withResolvers<Acceptance[]>();
    const fresh: PreparedEvent[] = [];
    const results = prepared.map((one, at) => {
      // An event that was in flight during the store lookup may be done by now.
      const earlier = before.get(one.key) ?? this.#recent.get(one.key) ?? this.#inFlight.get(one.key);
      if (earlier !== undefined) return this.#answerDuplicate(one, earlier);
      const index = fresh.push(one) - 1;
      const result = appended.then((all) => all[index]!);
      if (events[at]!.eventId !== undefined) this.#trackInFlight(one.key, result);
      return result;
    });
    // A log that throws must not leave others waiting for these ids.
    this.#append(fresh, trace).then(resolve, reject);
    return Promise.all(results);
  }

  #trackInFlight(key: string, result: Promise<Acceptance>): void {
    this.#inFlight.set(key, result);
    const forget = () => this.#inFlight.delete(key);
    result.then(forget, forget);
  }

  async #answerDuplicate(
    { event, json, key, varying, caller }: PreparedEvent,
    earlier: AcceptedEvent | ApiError | Promise<Acceptance>,
  ): Promise<Acceptance> {
    const first = await earlier;
    if (first instanceof ApiError) return first;
    const isSame =
      isSameEvent(first.json, json) || (varying !== undefined && isSameBut(first.json, json, varying));
    const duplicate = isSame ? 'same' : 'conflict';
    this.#options.metrics.eventsDuplicate.inc({ kind: duplicate });
    if (duplicate === 'conflict') return new ApiError('id_conflict');
    const { eventId, userId, eventType } = event;
    this.#options.duplicates.add('intake', [{ eventId, userId, eventType, caller }]);
    return { eventId, key, json: first.json, receipt: first.receipt, duplicate };
  }

  async #append(events: readonly PreparedEvent[], trace: string | undefined): Promise<Acceptance[]> {
    const { log, metrics } = this.#options;
    const span = this.#beginSpan(events.length, trace);
    const stopTimer = metrics.appendSeconds.startTimer();
    const results = await log.append(events.map((one) => this.#toRecord(one, span)));
    // If we die here: the events are durable and will be processed, but their sender gets no answer.
    stopTimer();
    span?.end({ error: results.find((result) => result instanceof AppendError) });
    return results.map((result, at) => {
      if (result instanceof AppendError) return this.#failed(result);
      return this.#accepted(events[at]!, result);
    });
  }

  #beginSpan(events: number, parent: string | undefined): Span | undefined {
    const { tracing, topic } = this.#options;
    if (parent === undefined || events === 0) return undefined;
    return tracing?.start(`publish ${topic}`, {
      kind: 'producer',
      parent,
      attributes: { 'messaging.destination.name': topic, 'messaging.batch.message_count': events },
    });
  }

  #toRecord({ event, json, caller }: PreparedEvent, span: Span | undefined): NewRecord {
    return {
      topic: this.#options.topic,
      key: event.userId,
      value: json,
      headers: [
        ['event-type', event.eventType],
        ['event-id', event.eventId],
        ...(caller === undefined ? [] : [[CALLER_HEADER, caller] as const]),
        ...(span === undefined ? [] : [[TRACE_HEADER, span.traceparent] as const]),
      ],
    };
  }

  #accepted({ event, json, key }: PreparedEvent, receipt: Receipt): Accepted {
    const accepted = { eventId: event.eventId, key, json, receipt };
    this.#failing.forget();
    this.#recent.add(key, accepted);
    this.#options.metrics.eventsGenerated.inc();
    this.#options.metrics.eventTally.accepted(event.eventType);
    this.#logPublished(event.eventId, receipt);
    return accepted;
  }

  #failed(error: AppendError): ApiError {
    this.#options.metrics.appendFailures.inc({ failure: error.failure });
    if (error.retryable) {
      this.#failing.failed(error.cause);
      this.#logFailure(error.cause);
    }
    return toApiError(error);
  }

  #withWarnings(answer: Accepted, { warnings }: NewEvent): Accepted {
    if (warnings === undefined) return answer;
    this.#options.metrics.eventWarnings.inc();
    return { ...answer, warnings };
  }

  /** In an outage every request fails: logs one line from time to time, with the number of failures. */
  #logFailure(cause: unknown): void {
    const now = performance.now();
    this.#failures++;
    if (now - this.#failureLoggedAt < FAILURE_LOG_INTERVAL_MS) return;
    this.#options.logger.error(
      { err: cause, failures: this.#failures },
      '[Producer] Failed to publish event',
    );
    this.#failureLoggedAt = now;
    this.#failures = 0;
  }

  #logPublished(eventId: string, { partition, offset }: Receipt): void {
    const { logger, logEvery } = this.#options;
    if (logEvery === 0 || this.#count++ % logEvery !== 0) return;
    logger.info({ partition, offset }, `[Producer] Event published successfully - eventId: ${eventId}`);
  }
}
