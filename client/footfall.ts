// Footfall's client for browsers and Node: queues events, sends them in batches, and resends what may not have arrived
// under the same eventIds, so that each event counts once. No dependencies; bounded memory.
import { type Entry, newId, type QueuedEvent, read, write } from './event.ts';
import { Losses } from './losses.ts';
import { type ClientOptions, type Settings, settingsOf } from './options.ts';
import { Queue, sumOf } from './queue.ts';
import { bodyOf, messageOf } from './request.ts';
import { MAX_BATCH_BYTES, Sender } from './sender.ts';

export type { Entry, QueuedEvent } from './event.ts';
export type { ClientOptions, Spool } from './options.ts';

/** Payloads by event type, matching the service's catalog. */
export type Catalog = Record<string, object>;

const inPage = typeof document !== 'undefined';

export class Footfall<Events extends Catalog = Catalog> {
  readonly #settings: Settings;
  readonly #queue: Queue;
  readonly #sender: Sender;
  readonly #losses: Losses;
  /** `off`: tracked events are not even queued. */
  #state: 'on' | 'paused' | 'off';
  #isClosed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sending: Promise<void> | undefined;
  /** The final requests of a page that was hidden; no others are started meanwhile. */
  #leaving: Promise<unknown> | undefined;
  /** Whether closed pages may have left events behind. */
  #mayClaim = true;
  #claiming: Promise<void> | undefined;
  /** The current error of the spool. */
  readonly #failing = new Set<string>();
  /** Incremented by each `forget()`. */
  #period = {};

  constructor(options: ClientOptions) {
    this.#settings = settingsOf(options);
    const { maxQueued, maxQueuedBytes, paused } = this.#settings;
    this.#queue = new Queue(maxQueued, maxQueuedBytes);
    this.#sender = new Sender(this.#settings);
    this.#losses = new Losses(this.#settings, this.#queue);
    this.#state = paused ? 'paused' : 'on';
    if (inPage) {
      addEventListener('pagehide', this.#onLeave);
      addEventListener('visibilitychange', this.#onVisibility);
      addEventListener('online', this.#onOnline);
    }
    this.#begin();
  }

  /** Number of events not known to have arrived. */
  get queued(): number {
    return this.#queue.entries.length;
  }

  /**
   * Queues an event. Its payload is serialized at once: later changes to it are not sent.
   *
   * @returns its eventId
   */
  track<Type extends keyof Events & string>(userId: string, eventType: Type, payload?: Events[Type]): string {
    const eventId = newId();
    if (this.#state === 'off' && !this.#isClosed) return eventId;
    const timestamp = new Date().toISOString();
    const event = { eventId, userId, eventType, timestamp, payload: payload ?? {} };
    const entry = this.#write(event);
    if (!entry) return eventId;
    if (this.#isClosed) this.#losses.drop('closed', [event], ['the client is closed']);
    else if (this.#queue.add(entry)) this.#soon(entry);
    else this.#losses.drop('full', [event], ['the queue is full']);
    return eventId;
  }

  /**
   * Sends what is queued.
   *
   * @returns resolves once the queue is empty, after any number of retries, or when the client is paused
   */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#sending ??= this.#sendAll();
    return this.#sending;
  }

  /** @returns whether everything queued is safe beyond the life of the page, once that is known */
  async saved(): Promise<boolean> {
    const { spool } = this.#settings;
    await this.#save(this.#queue.entries);
    return this.#queue.entries.every((entry) => spool?.has(entry));
  }

  /** Sends nothing until `resume()`; tracked events wait in memory and are not written to the device. */
  pause(): void {
    if (this.#state === 'on') this.#stop('paused');
  }

  /** Continues after `pause()` or `forget()`. */
  resume(): void {
    if (this.#state === 'on' || this.#isClosed) return;
    this.#state = 'on';
    void this.#save(this.#queue.entries);
    this.#begin();
    void this.flush();
  }

  /**
   * Erases queued events, here and in the spool, and ignores new ones until `resume()`. A request in flight is aborted;
   * its events may have arrived.
   *
   * @returns resolves when the spool is empty
   */
  async forget(): Promise<void> {
    this.#stop('off');
    this.#period = {};
    this.#queue.clear();
    this.#losses.forget();
    await this.#try('what waits could not be erased from the device', () => this.#settings.spool?.clear());
  }

  /**
   * Sends what is queued and detaches from the page. Unsent events stay in the spool, and are dropped if there is none.
   *
   * @param withinMs the most time this may take
   */
  async close(withinMs = 10_000): Promise<void> {
    this.#isClosed = true;
    const { spool } = this.#settings;
    await this.saved();
    const timer = setTimeout(() => this.#stop('paused'), withinMs);
    await this.flush();
    clearTimeout(timer);
    this.#stop('off');
    if (inPage) {
      removeEventListener('pagehide', this.#onLeave);
      removeEventListener('visibilitychange', this.#onVisibility);
      removeEventListener('online', this.#onOnline);
    }
    const left = this.#queue.entries.filter((entry) => !spool?.has(entry)).map(read);
    this.#queue.clear();
    this.#losses.drop(
      'closed',
      left,
      left.map(() => 'the client was closed before it was sent'),
    );
    await this.#try('the spool', () => spool?.close());
  }

  #stop(state: 'paused' | 'off'): void {
    this.#state = state;
    this.#sender.stop();
  }

  #write(event: QueuedEvent): Entry | undefined {
    try {
      return write(event);
    } catch (error) {
      this.#losses.drop('unwritable', [event], [`it cannot be written as JSON: ${messageOf(error)}`]);
      return undefined;
    }
  }

  #soon(entry: Entry): void {
    if (this.#state !== 'on') return;
    void this.#save([entry]);
    if (this.queued >= this.#settings.batchSize) void this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), this.#settings.flushAfterMs);
  }

  /** One request at a time: a user's events arrive in the order they happened. */
  async #sendAll(): Promise<void> {
    try {
      // Also lets `flush()` see that this is in progress.
      await this.#claiming;
      while (this.#state === 'on') {
        await this.#leaving;
        if (this.queued === 0) {
          if (await this.#claim()) continue;
          return;
        }
        this.#report();
        await this.#send(this.#queue.first(this.#sender.most, MAX_BATCH_BYTES));
      }
    } finally {
      this.#sending = undefined;
    }
  }

  /** Resolves when the next request may start. */
  async #send(batch: readonly Entry[], isLeaving = false): Promise<void> {
    const verdict = await this.#sender.send(batch, isLeaving);
    if (verdict === undefined) return;
    const { done, refused, reasons, problem, waitMs } = verdict;
    const gone = new Set([...done, ...refused]);
    this.#queue.remove(gone);
    void this.#try('what has arrived is kept on the device', () => this.#settings.spool?.remove(gone));
    this.#losses.drop('refused', refused.map(read), reasons);
    if (waitMs === 0) return;
    this.#losses.fail(problem);
    await this.#sender.wait(waitMs);
  }

  #report(): void {
    const report = this.#losses.report();
    if (report) void this.#save([report]);
  }

  async #save(entries: readonly Entry[]): Promise<void> {
    if (this.#state !== 'on') return;
    await this.#try('what waits cannot be kept on the device', () => this.#settings.spool?.put(entries));
  }

  /** If its spool fails, the client works in memory; it reports that once, until the spool works again. */
  async #try<Value>(problem: string, work: () => Promise<Value> | undefined): Promise<Value | undefined> {
    try {
      const value = await work();
      this.#failing.delete(problem);
      return value;
    } catch (error) {
      if (!this.#failing.has(problem)) this.#losses.fail(`${problem}: ${messageOf(error)}`);
      this.#failing.add(problem);
      return undefined;
    }
  }

  #begin(): void {
    if (this.#state !== 'on' || !this.#settings.spool) return;
    this.#mayClaim = true;
    this.#claiming = this.#claim().then((some) => {
      this.#claiming = undefined;
      if (some) void this.flush();
    });
  }

  /** @returns whether other pages had left anything */
  async #claim(): Promise<boolean> {
    const { spool } = this.#settings;
    if (!spool || !this.#mayClaim) return false;
    const period = this.#period;
    let some = false;
    const take = (entry: Entry) => {
      if (period !== this.#period) return false;
      // An event larger than the whole queue would wait forever.
      if (this.queued === 0) this.#queue.addFirst(entry);
      else if (!this.#queue.add(entry)) return false;
      some = true;
      return true;
    };
    const all = await this.#try('what was kept on the device cannot be read', () => spool.claim(take));
    this.#mayClaim = all === false;
    this.#queue.sort();
    if (all) void this.#save(this.#queue.entries);
    return some;
  }

  readonly #onOnline = (): void => this.#sender.hurry();

  readonly #onVisibility = (): void => {
    if (document.visibilityState === 'hidden') this.#onLeave();
    else {
      // A page closed meanwhile may have left events.
      this.#mayClaim = true;
      void this.flush();
    }
  };

  /** Sends what is not in flight as the page goes, in a request that may outlive it. The page may also come back. */
  readonly #onLeave = (): void => {
    if (this.#state !== 'on') return;
    this.#report();
    const onTheWay = this.#sender.outliving;
    const room = MAX_BATCH_BYTES - sumOf(onTheWay);
    const batch = this.#queue.first(this.queued, room, onTheWay);
    if (batch.length === 0 || sumOf(batch) > room) return;
    if ('keepalive' in Request.prototype)
      this.#leaving = Promise.all([this.#leaving, this.#send(batch, true)]);
    else this.#beacon(batch);
  };

  /** The key goes into the URL, as there is no other place. No response arrives, so the events stay queued. */
  #beacon(batch: readonly Entry[]): void {
    const { url, key } = this.#settings;
    navigator.sendBeacon(`${url}${key ? `?key=${encodeURIComponent(key)}` : ''}`, bodyOf(batch));
  }
}
