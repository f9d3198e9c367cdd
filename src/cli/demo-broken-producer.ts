import { openAdapters } from '../adapters.ts';
import { loadConfig } from '../config/config.ts';
import { AppendError, type EventLog } from '../log/event-log.ts';
import { createLogger } from '../observability/logger.ts';

/** Another program that writes records into the topic, which are not always events. */
export class BrokenProducer {
  readonly #log: EventLog;
  readonly #topic: string;
  #hasFailed = false;

  private constructor(log: EventLog, topic: string) {
    this.#log = log;
    this.#topic = topic;
  }

  /** @param env settings of the service, which say how to reach its brokers. @throws ConfigError */
  static async open(env: Record<string, string | undefined>): Promise<BrokenProducer> {
    // The log alone: the rest belongs to the service.
    const others = {
      DATABASE_URL: 'memory:',
      DATABASE_URL_FILE: undefined,
      DATABASE_READ_URL: undefined,
      DATABASE_READ_URL_FILE: undefined,
      ROLE: undefined,
      WORKERS: undefined,
    };
    const config = loadConfig({ ...env, ...others });
    const logger = await createLogger({ level: 'silent', format: 'text' });
    const { log } = await openAdapters(config, { logger });
    return new BrokenProducer(log, config.KAFKA_TOPIC);
  }

  /** The demo goes on without dead letters if the brokers refuse them. */
  async send(): Promise<void> {
    if (this.#hasFailed) return;
    const value = '{"userId":"user-1","eventType":"LOGIN"';
    const [result] = await this.#log.append([{ topic: this.#topic, key: 'user-1', value, headers: [] }]);
    if (!(result instanceof AppendError)) return;
    this.#hasFailed = true;
    console.error(`\nNo dead letters to show: ${result.message}`);
  }
}
