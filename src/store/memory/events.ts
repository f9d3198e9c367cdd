import type { EventRecord, EventToStore } from '../event-store.ts';

const FIRST_CAPACITY = 1024;

/**
 * Events in memory, in columns: an object per event would take as much memory as its text. Sequences count from 1. A text
 * that many events share, such as a user id, is kept once.
 */
export class MemoryEvents {
  /** Undefined where an event was removed. */
  readonly #jsons: (string | undefined)[] = [];
  readonly #users = new Names();
  readonly #types = new Names();
  #capacity = FIRST_CAPACITY;
  #userNumbers = new Uint32Array(FIRST_CAPACITY);
  #typeNumbers = new Uint32Array(FIRST_CAPACITY);
  #partitions = new Uint32Array(FIRST_CAPACITY);
  #offsets = new Float64Array(FIRST_CAPACITY);
  #times = new Float64Array(FIRST_CAPACITY);
  /** Milliseconds since 1970. */
  #storedAt = new Float64Array(FIRST_CAPACITY);

  /** How many were ever added: the sequence of the latest. */
  get count(): number {
    return this.#jsons.length;
  }

  /** @returns its sequence */
  add({ userId, eventType, offset, time, json }: EventToStore, partition: number, storedAt: number): number {
    const at = this.#jsons.length;
    if (at === this.#capacity) this.#grow();
    this.#userNumbers[at] = this.#users.numberOf(userId);
    this.#typeNumbers[at] = this.#types.numberOf(eventType);
    this.#partitions[at] = partition;
    this.#offsets[at] = offset;
    this.#times[at] = time;
    this.#storedAt[at] = storedAt;
    return this.#jsons.push(json);
  }

  has(sequence: number): boolean {
    return this.#jsons[sequence - 1] !== undefined;
  }

  remove(sequence: number): void {
    this.#jsons[sequence - 1] = undefined;
  }

  json(sequence: number): string {
    return this.#jsons[sequence - 1]!;
  }

  time(sequence: number): number {
    return this.#times[sequence - 1]!;
  }

  userId(sequence: number): string {
    return this.#users.name(this.#userNumbers[sequence - 1]!);
  }

  eventType(sequence: number): string {
    return this.#types.name(this.#typeNumbers[sequence - 1]!);
  }

  /** Where an event was read from, and when it was stored. */
  origin(sequence: number): Pick<EventRecord, 'partition' | 'offset' | 'storedAt'> {
    const at = sequence - 1;
    return {
      partition: this.#partitions[at]!,
      offset: this.#offsets[at]!,
      storedAt: new Date(this.#storedAt[at]!),
    };
  }

  #grow(): void {
    this.#capacity = Math.ceil(this.#capacity * 1.5);
    this.#userNumbers = grown(this.#userNumbers, new Uint32Array(this.#capacity));
    this.#typeNumbers = grown(this.#typeNumbers, new Uint32Array(this.#capacity));
    this.#partitions = grown(this.#partitions, new Uint32Array(this.#capacity));
    this.#offsets = grown(this.#offsets, new Float64Array(this.#capacity));
    this.#times = grown(this.#times, new Float64Array(this.#capacity));
    this.#storedAt = grown(this.#storedAt, new Float64Array(this.#capacity));
  }
}

/** Texts by number, each once. */
class Names {
  readonly #names: string[] = [];
  readonly #numbers = new Map<string, number>();

  numberOf(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    this.#numbers.set(name, this.#names.length);
    return this.#names.push(name) - 1;
  }

  name(number: number): string {
    return this.#names[number]!;
  }
}

function grown<T extends Uint32Array | Float64Array>(from: T, into: T): T {
  into.set(from);
  return into;
}
