import {
  BACKSLASH,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COMMA,
  NEWLINE,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  SPACE,
} from './syntax.ts';

const NOTHING = Buffer.alloc(0);

/** `array`: the elements of one JSON array. `lines`: one JSON value a line. `either`: as the first character says. */
export type ElementFormat = 'array' | 'lines' | 'either';

/** An element as its bytes; `too-large` for one above the limit, which is passed over without being kept. */
export type Element = Buffer | 'too-large';

/** How the elements ended: all there, or what is wrong with the whole. */
export type ElementsEnd = 'complete' | 'not-array' | 'incomplete';

/**
 * Divides a body into its elements as it arrives, holding no more than those that end in one chunk. What an element says
 * is not looked at: brackets and strings are followed, and the rest is for `JSON.parse`.
 *
 * @returns for each chunk the elements that end in it; (as the generator's end) whether the whole was there
 */
export async function* readElements(
  chunks: AsyncIterable<Buffer>,
  format: ElementFormat,
  maxBytes: number,
): AsyncGenerator<Element[], ElementsEnd> {
  let splitter: Splitter | undefined;
  for await (const chunk of chunks) {
    splitter ??= createSplitter(chunk, format, maxBytes);
    if (splitter === undefined) continue;
    yield splitter.push(chunk);
    if (splitter.failed) return 'not-array';
  }
  if (splitter === undefined) return 'complete';
  const { last, how } = splitter.end();
  if (last !== undefined) yield [last];
  return how;
}

interface Splitter {
  /** True when the body cannot be what it should be. */
  readonly failed: boolean;
  /** @returns the elements that end in this chunk */
  push(chunk: Buffer): Element[];
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
class ChunkBuffer {
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
    const [first = NOTHING, ...more] = this.#pieces;
    const element =
      this.#bytes > this.#maxBytes ? 'too-large' : more.length === 0 ? first : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#bytes = 0;
    return element === 'too-large' || element.some(isText) ? element : undefined;
  }
}

function isText(byte: number): boolean {
  return byte > SPACE;
}

class LineSplitter implements Splitter {
  readonly failed = false;
  readonly #pieces: ChunkBuffer;

  constructor(maxBytes: number) {
    this.#pieces = new ChunkBuffer(maxBytes);
  }

  push(chunk: Buffer): Element[] {
    const elements: Element[] = [];
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      this.#pieces.add(chunk.subarray(from, end));
      from = end + 1;
      const element = this.#pieces.take();
      if (element !== undefined) elements.push(element);
    }
    this.#pieces.add(chunk.subarray(from));
    return elements;
  }

  end(): ReturnType<Splitter['end']> {
    return { last: this.#pieces.take(), how: 'complete' };
  }
}

class ArraySplitter implements Splitter {
  readonly #pieces: ChunkBuffer;
  /** Brackets open: 0 before the array and after it, 1 between its elements. */
  #depth = 0;
  #inString = false;
  #escaped = false;
  #ended = false;
  #some = false;
  failed = false;

  constructor(maxBytes: number) {
    this.#pieces = new ChunkBuffer(maxBytes);
  }

  push(chunk: Buffer): Element[] {
    const elements: Element[] = [];
    let from = 0;
    for (let at = 0; at < chunk.length && !this.failed; at++) {
      if (this.#inString) {
        at = this.#endOfString(chunk, at);
        continue;
      }
      const byte = chunk[at]!;
      if (this.#depth === 0) {
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
        if (element !== undefined || byte === COMMA || this.#some) elements.push(element ?? NOTHING);
        this.#some = true;
        if (byte === CLOSE_BRACKET) {
          this.#depth = 0;
          this.#ended = true;
        }
      }
    }
    if (this.#depth > 0) this.#pieces.add(chunk.subarray(from));
    return elements;
  }

  end(): ReturnType<Splitter['end']> {
    return { how: this.#ended ? 'complete' : 'incomplete' };
  }

  /** @returns the index of the closing quote, or the chunk's length where it does not hold it */
  #endOfString(chunk: Buffer, from: number): number {
    let at = this.#escaped ? from + 1 : from;
    this.#escaped = false;
    for (; at < chunk.length; at++) {
      const byte = chunk[at]!;
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) {
        this.#inString = false;
        return at;
      }
    }
    // The character that was passed over is in the next chunk.
    this.#escaped = at > chunk.length;
    return chunk.length;
  }
}
