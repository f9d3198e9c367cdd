import { LiveTail, type TailPosition } from '../../src/query/live-tail.ts';
import type { EventStore, StoredEvent } from '../../src/store/event-store.ts';
import type { SimulatedProcess } from './process.ts';

const HEARTBEAT_MS = 10_000;

/** Somebody who reads the stream of an instance, and what they have after all they were told. */
export class Reader {
  readonly #process: SimulatedProcess;
  readonly #tail: LiveTail;
  #view: StoredEvent[] = [];
  #base = 0;
  #isConnected = false;
  #wasCut = false;

  constructor(process: SimulatedProcess, store: EventStore) {
    this.#process = process;
    this.#tail = new LiveTail({ store, heartbeatMs: HEARTBEAT_MS, clock: process.clock });
    void this.#read();
  }

  stop(): void {
    this.#tail.stop();
  }

  /** Only of one who has stayed connected from the beginning. */
  get isConnected(): boolean {
    return this.#isConnected && !this.#wasCut && this.#process.isAlive;
  }

  /** Everything after this sequence was sent. */
  get base(): number {
    return this.#base;
  }

  /** What they have, as the JSON texts of events. */
  get view(): string[] {
    return this.#view.map(({ json }) => json);
  }

  async #read(): Promise<void> {
    this.#tail.join();
    let position = await this.#begin();
    this.#base = position.sequence;
    this.#isConnected = true;
    while (!this.#tail.stopped) {
      const { events, next, isReset } = await this.#tail.next(position, {});
      position = next;
      if (isReset) this.#goBack(next.sequence);
      this.#view.push(...events);
    }
    this.#wasCut = true;
  }

  /** A store that does not answer ends the request, and whoever asked asks again. */
  async #begin(): Promise<TailPosition> {
    for (;;) {
      try {
        return await this.#tail.begin();
      } catch {
        await this.#process.clock.sleep(500);
      }
    }
  }

  #goBack(sequence: number): void {
    this.#process.world.saw('reader connected while the store went back');
    this.#base = Math.min(this.#base, sequence);
    this.#view = this.#view.filter((event) => event.sequence <= sequence);
  }
}
