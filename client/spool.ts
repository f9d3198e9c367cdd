// Keeps what waits in the browser (IndexedDB): it survives a closed tab, a crash, and a week without a network. Each page
// has a part of its own; the parts of pages that are gone are taken over. Which page is gone, `navigator.locks` says.
// Where two believe that something is theirs (plain-http pages have no locks), both send it: under one id it counts once.
import { type Entry, entryOf, newId } from './event.ts';
import type { Spool } from './options.ts';

/** The page's part, and the event's id: by both, in the order in which they happened. */
type Key = [part: string, id: string];

const EVENTS = 'events';

/** An event queue on the device; for `new Footfall({ spool: new BrowserSpool() })`. One for each client. */
export class BrowserSpool implements Spool {
  readonly #name: string;
  readonly #part = newId();
  #opening: Promise<IDBDatabase> | undefined;
  /** Settles with whether this page has taken over all that others left. Else it adds nothing: pages would add up. */
  #claimed: Promise<boolean> = Promise.resolve(false);
  /** What is kept, for certain, and is this page's to send. */
  readonly #keys = new Map<string, Key>();
  #waiting: Entry[] = [];
  #putting: Promise<void> | undefined;
  /** Parts that are this page's, and how to let go of them. */
  readonly #held = new Map<string, () => void>();

  /** @param name of the database; another one for each service of a site */
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

  /** If the page dies here, what was tracked last is lost, unless it could still be sent. */
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
    // If the page dies here, what has arrived is sent once more, and counts once.
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

  /** Resolves when nothing is being written, whether that went well or not. */
  async #written(): Promise<void> {
    await Promise.allSettled([this.#putting]);
  }

  #open(): Promise<IDBDatabase> {
    this.#opening ??= open(this.#name).then((database) => {
      this.#holdOwn();
      // A page that may come back is not kept by browsers while it holds locks.
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

  /** @returns whether a part is this page's from now on */
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
      // A later release may want another shape.
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

/** Resolves when what was written is durable. */
function write(database: IDBDatabase, work: (events: IDBObjectStore) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(EVENTS, 'readwrite', { durability: 'strict' });
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
    work(transaction.objectStore(EVENTS));
  });
}
