// In: the body of a POST. Out: a receipt, once the event is durable in the log.

import { FootfallError } from './errors.ts';
import { buildEvent, encodeEvent, parseNewEvent } from './event.ts';
import type { EventLog, Receipt } from './log/event-log.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';

const FAILURE_LOG_INTERVAL_MS = 5000;

export interface ProducerOptions {
  log: EventLog;
  topic: string;
  logger: Logger;
  metrics: Metrics;
  now(): Date;
  newId(): string;
  /** Log each n-th event; 0: none. */
  logEvery: number;
}

export interface Generated {
  /** The event as JSON text, byte for byte as it is in the log and will be in the store. */
  json: string;
  receipt: Receipt;
}

export class Producer {
  readonly #options: ProducerOptions;
  #count = 0;
  #failures = 0;
  #failureLoggedAt = 0;

  constructor(options: ProducerOptions) {
    this.#options = options;
  }

  /**
   * Validates, completes and appends one event.
   *
   * @param body a JSON object with userId, eventType and, if wanted, payload
   * @throws FootfallError as `parseNewEvent` and `EventLog.append`
   */
  async generate(body: Buffer | undefined): Promise<Generated> {
    const { metrics } = this.#options;
    try {
      const generated = await this.#append(body);
      metrics.eventsGenerated.inc();
      return generated;
    } catch (error) {
      const code = error instanceof FootfallError ? error.code : 'internal_error';
      metrics.eventsRejected.inc({ code });
      if (code === 'publish_failed') this.#logFailure((error as Error).cause);
      throw error;
    }
  }

  async #append(body: Buffer | undefined): Promise<Generated> {
    const { log, topic, metrics, now, newId } = this.#options;
    const event = buildEvent(parseNewEvent(body), newId(), now());
    const json = encodeEvent(event);
    const stopTimer = metrics.appendSeconds.startTimer();
    const [receipt] = await log.append([
      {
        topic,
        key: event.userId,
        value: json,
        headers: [
          ['event-type', event.eventType],
          ['event-id', event.eventId],
        ],
      },
    ]);
    // If we die here: the event is durable and will be processed; only its sender does not know.
    stopTimer();
    this.#logPublished(event.eventId, receipt!);
    return { json, receipt: receipt! };
  }

  /** An outage fails every request there is: one line for it now and then, with their number. */
  #logFailure(cause: unknown): void {
    const now = Date.now();
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
