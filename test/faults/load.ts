import { setTimeout as sleep } from 'node:timers/promises';

/** What a client was told about one event, and the topic that was there at the time. */
export interface Acked {
  eventId: string;
  /** The event as it was answered, byte for byte; undefined where the client did not keep it. */
  json?: string;
  userId: string;
  topicId: string;
  partition: number;
  offset: number;
}

interface SentEvent {
  userId: string;
  payload: { number: number };
}

/** What the load is sent to, asked anew for each event. */
interface LoadTarget {
  urls(): string[];
  readonly topic: TopicName;
}

/** A topic, whose id is known in the end: whoever deletes it does not know yet what it will be when it is there again. */
export interface TopicName {
  id: string;
}

const ANSWER_HEAD = '{"success":true,"event":';

const PAUSE_MS = 15;
/** Between two questions for counts, which bring them up to date while events are stored. */
const STATS_PAUSE_MS = 200;
const PAUSE_AFTER_FAILURE_MS = 100;
/** Longer than the service may take (`KAFKA_PRODUCER_TIMEOUT_MS`) and than a frozen instance sleeps. */
const ANSWER_TIMEOUT_MS = 30_000;

/**
 * Users who each send one event after the other: the next one only after the answer to the one before, so that
 * the order of a user's answers is the order of their events.
 */
export class Load {
  readonly acked: Acked[] = [];
  /** Answers by status; 0: the connection broke, or no answer came. */
  readonly statuses = new Map<number, number>();
  /** Answers that break the contract, such as a retryable error without `Retry-After`. */
  readonly lies: string[] = [];
  readonly #target: LoadTarget;
  readonly #users: Promise<void>[];
  readonly #reader: Promise<void>;
  #stopping = false;
  #paused = false;
  #sending = 0;

  constructor(target: LoadTarget, users: number) {
    this.#target = target;
    this.#users = Array.from({ length: users }, (_, number) => this.#user(`user-${number}`));
    this.#reader = this.#askForCounts();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all([...this.#users, this.#reader]);
  }

  /** Resolves when the events on their way are answered; until `resume` there are no others. */
  async pause(): Promise<void> {
    this.#paused = true;
    while (this.#sending > 0) await sleep(10);
  }

  resume(): void {
    this.#paused = false;
  }

  /** Sends one event. @returns its receipt, or undefined if it was not acknowledged */
  async send(url: string, userId: string, number: number): Promise<Acked | undefined> {
    this.#sending++;
    const { topic } = this.#target;
    try {
      const response = await fetch(`${url}/events/generate`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ userId, eventType: 'PRODUCT_VIEW', payload: { number } }),
        signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
      });
      const text = await response.text();
      this.#note(response, text);
      if (response.status !== 201) return undefined;
      const json = text.slice(ANSWER_HEAD.length, -1);
      const event = JSON.parse(json) as SentEvent & { eventId: string };
      if (event.userId !== userId || event.payload.number !== number)
        this.lies.push(`201 ${text} to number ${number} of ${userId}`);
      return {
        eventId: event.eventId,
        json,
        userId,
        get topicId() {
          return topic.id;
        },
        partition: Number(response.headers.get('event-partition')),
        offset: Number(response.headers.get('event-offset')),
      };
    } catch {
      this.#count(0);
      return undefined;
    } finally {
      this.#sending--;
    }
  }

  async #askForCounts(): Promise<void> {
    for (let number = 0; !this.#stopping; number++) {
      const urls = this.#target.urls();
      const url = urls[number % urls.length];
      const options = { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) };
      // Whoever dies or hangs over it: the counts are compared at the end.
      if (url !== undefined)
        await fetch(`${url}/events/stats`, options)
          .then((response) => response.text())
          .catch(() => {});
      await sleep(STATS_PAUSE_MS);
    }
  }

  async #user(userId: string): Promise<void> {
    for (let number = 0; !this.#stopping; number++) {
      const urls = this.#paused ? [] : this.#target.urls();
      const acked =
        urls.length === 0 ? undefined : await this.send(urls[number % urls.length]!, userId, number);
      if (acked) this.acked.push(acked);
      await sleep(acked ? PAUSE_MS : PAUSE_AFTER_FAILURE_MS);
    }
  }

  #note({ status, headers }: Response, text: string): void {
    this.#count(status);
    if (status === 201) return;
    const fair =
      [500, 503].includes(status) && headers.has('retry-after') && text.startsWith('{"success":false,');
    if (!fair) this.lies.push(`${status} ${text}`);
  }

  #count(status: number): void {
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
  }
}
