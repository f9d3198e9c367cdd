const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const NEWLINE = 0x0a;
const SPACE = 0x20;
const NOTHING = Buffer.alloc(0);

/** `array`: the elements of one JSON array. `lines`: one JSON value a line. `either`: as the first character says. */
export type ElementFormat = 'array' | 'lines' | 'either';

/** An element as its bytes; `too-large` for one above the limit, which is passed over without being kept. */
export type Element = Buffer | 'too-large';

/** How the elements ended: all there, or what is wrong with the whole. */
export type ElementsEnd = 'complete' | 'not-array' | 'incomplete';

/**
 * Divides a body into its elements as it arrives, holding no more than one of them. What an element says is not looked
 * at: brackets and strings are followed, and the rest is for `JSON.parse`.
 *
 * @returns (as the generator's end) whether the whole was there
 */
export async function* readElements(
  chunks: AsyncIterable<Buffer>,
  format: ElementFormat,
  maxBytes: number,
): AsyncGenerator<Element, ElementsEnd> {
  let splitter: Splitter | undefined;
  for await (const chunk of chunks) {
    splitter ??= createSplitter(chunk, format, maxBytes);
    if (splitter === undefined) continue;
    yield* splitter.push(chunk);
    if (splitter.failed) return 'not-array';
  }
  if (splitter === undefined) return 'complete';
  const { last, how } = splitter.end();
  if (last !== undefined) yield last;
  return how;
}

interface Splitter {
  /** True when the body cannot be what it should be. */
  readonly failed: boolean;
  push(chunk: Buffer): Iterable<Element>;
  /** What is left of the body when it is over, and how it ended. */
  end(): { last?: Element | undefined; how: ElementsEnd };
}

/** @returns nothing while there is only space */
function createSplitter(chunk: Buffer, format: ElementFormat, maxBytes: number): Splitter | undefined {
  const first = chunk.find((byte) => byte > SPACE);
  if (first === undefined) return undefined;
  const isArray = format === 'array' || (format === 'either' && first === OPEN_BRACKET);
  return isArray ? new ArraySplitter(maxBytes) : new LineSplitter(maxBytes);
}

/** The bytes of one element, from as many chunks as it came in. */
class Pieces {
  readonly #maxBytes: number;
  #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add(piece: Buffer): void {
    this.#bytes += piece.length;
    if (this.#bytes > this.#maxBytes) this.#pieces = [];
    else if (piece.length > 0) this.#pieces.push(piece);
  }

  /** Nothing where there was only space. */
  take(): Element | undefined {
    const element = this.#bytes > this.#maxBytes ? 'too-large' : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#bytes = 0;
    return element !== 'too-large' && element.every((byte) => byte <= SPACE) ? undefined : element;
  }
}

class LineSplitter implements Splitter {
  readonly failed = false;
  readonly #pieces: Pieces;

  constructor(maxBytes: number) {
    this.#pieces = new Pieces(maxBytes);
  }

  *push(chunk: Buffer): Generator<Element> {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      this.#pieces.add(chunk.subarray(from, end));
      from = end + 1;
      const element = this.#pieces.take();
      if (element !== undefined) yield element;
    }
    this.#pieces.add(chunk.subarray(from));
  }

  end(): ReturnType<Splitter['end']> {
    return { last: this.#pieces.take(), how: 'complete' };
  }
}

class ArraySplitter implements Splitter {
  readonly #pieces: Pieces;
  /** Brackets open: 0 before the array and after it, 1 between its elements. */
  #depth = 0;
  #inString = false;
  #escaped = false;
  #ended = false;
  #some = false;
  failed = false;

  constructor(maxBytes: number) {
    this.#pieces = new Pieces(maxBytes);
  }

  *push(chunk: Buffer): Generator<Element> {
    let from = 0;
    for (let at = 0; at < chunk.length && !this.failed; at++) {
      const byte = chunk[at]!;
      if (this.#inString) this.#followString(byte);
      else if (this.#depth === 0) {
        if (byte <= SPACE) continue;
        if (byte !== OPEN_BRACKET || this.#ended) this.failed = true;
        this.#depth = 1;
        from = at + 1;
      } else if (byte === QUOTE) this.#inString = true;
      else if (byte === OPEN_BRACKET || byte === OPEN_BRACE) this.#depth++;
      else if (this.#depth > 1 && (byte === CLOSE_BRACKET || byte === CLOSE_BRACE)) this.#depth--;
      else if (this.#depth === 1 && (byte === COMMA || byte === CLOSE_BRACKET)) {
        this.#pieces.add(chunk.subarray(from, at));
        from = at + 1;
        const element = this.#pieces.take();
        // Nothing between two commas, or after the last one, is an element at fault.
        if (element !== undefined || byte === COMMA || this.#some) yield element ?? NOTHING;
        this.#some = true;
        if (byte === CLOSE_BRACKET) {
          this.#depth = 0;
          this.#ended = true;
        }
      }
    }
    if (this.#depth > 0) this.#pieces.add(chunk.subarray(from));
  }

  end(): ReturnType<Splitter['end']> {
    return { how: this.#ended ? 'complete' : 'incomplete' };
  }

  #followString(byte: number): void {
    if (this.#escaped) this.#escaped = false;
    else if (byte === BACKSLASH) this.#escaped = true;
    else if (byte === QUOTE) this.#inString = false;
  }
}
