/** Signals that do what this code needs of them, and cost a tenth: those of Node make events, weak references and stacks. */
class LightSignal {
  #isAborted = false;
  readonly #listeners = new Set<() => void>();

  /** @returns one that aborts when any of these does */
  static any(signals: readonly LightSignal[]): LightSignal {
    const one = new LightSignal();
    const abort = () => {
      for (const signal of signals) signal.removeEventListener('abort', abort);
      one.abort();
    };
    for (const signal of signals) {
      if (signal.aborted) one.abort();
      else signal.addEventListener('abort', abort);
    }
    return one;
  }

  get aborted(): boolean {
    return this.#isAborted;
  }

  addEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.delete(listener);
  }

  abort(): void {
    if (this.#isAborted) return;
    this.#isAborted = true;
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }
}

class LightController {
  readonly signal = new LightSignal();

  abort(): void {
    this.signal.abort();
  }
}

/** From now on signals are light ones in this thread: whatever else they can do is not there. */
export function lightenSignals(): void {
  Object.assign(globalThis, { AbortController: LightController, AbortSignal: LightSignal });
}
