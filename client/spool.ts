// Persists queued events in the browser (IndexedDB): they survive a closed tab, a crash, and a week offline. Each page
// has its own part; parts of closed pages are taken over, which `navigator.locks` detects. If two pages claim the same
// part (plain-http pages have no locks), both send it, and the eventId makes each event count once.
import { type Entry, entryOf, newId } from './event.ts';
import type { Spool } from './options.ts';

/** The page's part and the event's id, which together sort events in the order in which they happened. */
type Key = [part: string, id: string];

const EVENTS = 'events';

/** An event queue on the device; for `new Footfall({ spool: new BrowserSpool() })`. One per client. */
export class BrowserSpool implements Spool {
  readonly #name: string;
  readonly #part = newId();
  #opening: Promise<IDBDatabase> | undefined;
  /**
   * Resolves to whether this page has taken over everything others left. If not, it adds nothing, so that pages do not
   * pile up events.
   */
  #claimed: Promise<boolean> = Promise.resolve(false);
  /** Events that are certainly persisted and that this page has to send. */
  readonly #keys = new Map<string, Key>();
  #waiting: Entry[] = [];
  #putting: Promise<void> | undefined;
  /** The parts this page owns, and how to release them. */
  readonly #held = new Map<string, () => void>();

  /** @param name of the database; use a different one for each service used by a site */
  constructor(name = 'footfall') {
    this.#name = name;
  }

  claim(take: (entry: Entry) => boolean): Promise<boolean> {
    const claiming = this.#claim(take);
    this.#claimed = claiming.catch(() => false);
    return claiming;
  }

  async #claim(take: (entry: Entry) => boolean): Promise<boolean> {
    const database = await this.#open();
    const keys = await look(database, (events) => events.getAllKeys());
    const parts = new Set((keys as Key[]).map(([part]) => part));
    parts.delete(this.#part);
    for (const part of parts) {
      if (!(await this.#hold(part))) continue;
      const range = IDBKeyRange.bound([part], [part, []]);
      const ids = await look(database, (events) => events.getAllKeys(range));
      const texts = await look(database, (events) => events.getAll(range));
      for (const [at, key] of (ids as Key[]).entries()) {
        const [, id] = key;
        if (this.#keys.has(id)) continue;
        if (!take(entryOf(id, texts[at]))) return false;
        this.#keys.set(id, key);
      }
    }
    return true;
  }

  put(entries: readonly Entry[]): Promise<void> {
    this.#waiting.push(...entries.filter((entry) => !this.has(entry)));
    this.#putting ??= this.#putAll();
    return this.#putting;
  }

  /** If the page dies here, the events tracked last are lost, unless they could still be sent. */
  async #putAll(): Promise<void> {
    try {
      const database = await this.#open();
      if (!(await this.#claimed)) throw new Error('what others left there does not fit into the queue');
      while (this.#waiting.length > 0) {
        const entries = this.#waiting;
        this.#waiting = [];
        await write(database, (events) => {
          for (const { id, text } of entries) events.put(text, [this.#part, id]);
        });
        for (const { id } of entries) this.#keys.set(id, [this.#part, id]);
      }
    } finally {
      this.#waiting = [];
      this.#putting = undefined;
    }
  }

  async remove(entries: Iterable<Entry>): Promise<void> {
    const ids = [...entries].map(({ id }) => id);
    this.#waiting = this.#waiting.filter(({ id }) => !ids.includes(id));
    await this.#written();
    const keys = ids.flatMap((id) => {
      const key = this.#keys.get(id);
      this.#keys.delete(id);
      return key ? [key] : [];
    });
    if (keys.length === 0) return;
    // If the page dies here, events that arrived are sent again, and count once.
    await write(await this.#open(), (events) => {
      for (const key of keys) events.delete(key);
    });
  }

  has({ id }: Entry): boolean {
    return this.#keys.has(id);
  }

  async clear(): Promise<void> {
    this.#waiting = [];
    await this.#written();
    this.#keys.clear();
    await write(await this.#open(), (events) => {
      events.clear();
    });
  }

  async close(): Promise<void> {
    await this.#written();
    removeEventListener('pagehide', this.#letGo);
    removeEventListener('pageshow', this.#holdOwn);
    this.#letGo();
    (await this.#opening)?.close();
  }

  /** Resolves when no write is in progress, whether or not they succeeded. */
  async #written(): Promise<void> {
    await Promise.allSettled([this.#putting]);
  }

  #open(): Promise<IDBDatabase> {
    this.#opening ??= open(this.#name).then((database) => {
      this.#holdOwn();
      // Browsers do not keep a page in the back/forward cache while it holds locks.
      addEventListener('pagehide', this.#letGo);
      addEventListener('pageshow', this.#holdOwn);
      return database;
    });
    return this.#opening;
  }

  readonly #holdOwn = (): void => void this.#hold(this.#part);

  readonly #letGo = (): void => {
    for (const letGo of this.#held.values()) letGo();
    this.#held.clear();
  };

  /** @returns whether this page now owns the part */
  async #hold(part: string): Promise<boolean> {
    if (this.#held.has(part) || !navigator.locks) return true;
    return new Promise((resolve) => {
      navigator.locks.request(`${this.#name}/${part}`, { ifAvailable: part !== this.#part }, (lock) => {
        resolve(lock !== null);
        if (lock) return new Promise<void>((letGo) => this.#held.set(part, letGo));
      });
    });
  }
}

function open(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(EVENTS);
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const database = request.result;
      // A later release may need another schema.
      database.onversionchange = () => database.close();
      resolve(database);
    };
  });
}

function look<Value>(
  database: IDBDatabase,
  work: (events: IDBObjectStore) => IDBRequest<Value>,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const request = work(database.transaction(EVENTS).objectStore(EVENTS));
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Resolves when the write is durable. */
function write(database: IDBDatabase, work: (events: IDBObjectStore) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(EVENTS, 'readwrite', { durability: 'strict' });
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
    work(transaction.objectStore(EVENTS));
  });
}
