import { Producer } from '@platformatic/kafka';

const PATIENCE_MS = 5000;

/** Another program that writes records into the topic, which are not always events. */
export class BrokenProducer {
  readonly #producer: Producer;
  readonly #topic: string;
  #hasFailed = false;

  constructor(brokers: string, topic: string) {
    this.#topic = topic;
    const bootstrapBrokers = brokers.split(',').map((broker) => broker.trim());
    this.#producer = new Producer({
      clientId: 'demo',
      bootstrapBrokers,
      retries: 0,
      connectTimeout: PATIENCE_MS,
      requestTimeout: PATIENCE_MS,
    });
    // Failures reach whoever calls.
    this.#producer.on('error', () => {});
  }

  /** The demo goes on without dead letters where brokers want more than an address. */
  async send(): Promise<void> {
    if (this.#hasFailed) return;
    const value = Buffer.from('{"userId":"user-1","eventType":"LOGIN"');
    try {
      await this.#producer.send({ messages: [{ topic: this.#topic, key: Buffer.from('user-1'), value }] });
    } catch (error) {
      this.#hasFailed = true;
      console.error(`\nNo dead letters to show: ${(error as Error).message}`);
    }
  }
}
