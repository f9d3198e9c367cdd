// In: what became of each event a client sent. Out: counters that say who floods, and with what.
import type { Counter } from 'prom-client';
import { KNOWN_LATER, type Meter } from './meter.ts';

/** Each key has a series for each result: of more keys, those beyond are counted together. */
const MOST_KEYS = 100;
const OTHER = 'other';
/** Of callers without names: keys are not needed here. */
const NO_KEY = 'none';

/** What became of an event as it came in. */
const RESULTS = ['accepted', 'duplicate', 'rejected'] as const;

type SendingResult = (typeof RESULTS)[number];

/** What label values can be known beforehand. */
export interface KnownSenders {
  /** Names of the API keys. */
  keys: readonly string[];
  /** Event types of the catalog. */
  types: readonly string[];
}

/** Counts events by key and by type. What a client chose is never a label: types that are not known are `other`. */
export class EventTally {
  readonly #byKey: Counter<'key' | 'result'>;
  readonly #byType: Counter<'type'>;
  readonly #keys = new Set<string>();
  readonly #types: ReadonlySet<string>;

  constructor(meter: Meter, { keys, types }: KnownSenders) {
    this.#types = new Set(types);
    this.#byKey = meter.counter({
      name: 'events_by_key_total',
      help: 'Events by the name of the key that sent them (`none` where no key is needed, `other` beyond 100 keys), and whether they were accepted. A request rejected as a whole counts once, and not at all if its key is not known.',
      labels: { key: KNOWN_LATER, result: RESULTS },
    });
    this.#byType = meter.counter({
      name: 'events_by_type_total',
      help: 'Events accepted, by type; types outside the catalog are `other`.',
      labels: { type: [...this.#types, OTHER] },
    });
    for (const key of keys.length === 0 ? [NO_KEY] : keys) {
      for (const result of RESULTS) this.#byKey.inc({ key: this.#keyOf(key), result }, 0);
    }
  }

  /** @param name of its key, if callers have names */
  sent(name: string | undefined, result: SendingResult, events = 1): void {
    this.#byKey.inc({ key: this.#keyOf(name), result }, events);
  }

  accepted(eventType: string): void {
    this.#byType.inc({ type: this.#types.has(eventType) ? eventType : OTHER });
  }

  #keyOf(name: string = NO_KEY): string {
    if (this.#keys.has(name)) return name;
    if (this.#keys.size >= MOST_KEYS) return OTHER;
    this.#keys.add(name);
    return name;
  }
}
