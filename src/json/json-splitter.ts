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

/**
 * `array`: the elements of one JSON array. `lines`: one JSON value per line. `either`: decided by the first character.
 */
export type ElementFormat = 'array' | 'lines' | 'either';

/** The bytes of an element; `too-large` for one above the limit, which is skipped without being buffered. */
export type Element = Buffer | 'too-large';

/** How the body ended: complete, or why it is invalid as a whole. */
export type ElementsEnd = 'complete' | 'not-array' | 'incomplete';

/**
 * Splits a body into its elements as it arrives, buffering only the elements that end in the current chunk. It only
 * tracks brackets and strings; `JSON.parse` validates the elements.
 *
 * @returns for each chunk, the elements that end in it, to be read before the next chunk: a chunk may hold thousands, and
 *    they wait while others have their turn. As the generator's return value, whether the body was complete.
 */
export async function* readElements(
  chunks: AsyncIterable<Buffer>,
  format: ElementFormat,
  maxBytes: number,
): AsyncGenerator<Iterable<Element>, ElementsEnd> {
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
  /** True once the body is known to be invalid. */
  readonly failed: boolean;
  /** @returns the elements that end in this chunk, each cut out when it is asked for: ask for all of them */
  push(chunk: Buffer): Iterable<Element>;
  /** The rest of the body once it has ended, and how it ended. */
  end(): { last?: Element | undefined; how: ElementsEnd };
}

/** @returns nothing while there is only whitespace */
function createSplitter(chunk: Buffer, format: ElementFormat, maxBytes: number): Splitter | undefined {
  const first = chunk.find((byte) => byte > SPACE);
  if (first === undefined) return undefined;
  const isArray = format === 'array' || (format === 'either' && first === OPEN_BRACKET);
  return isArray ? new ArraySplitter(maxBytes) : new LineSplitter(maxBytes);
}

/** The bytes of one element, from however many chunks it spans. */
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

  /** Nothing if there was only whitespace. */
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
  readonly #pieces: ChunkBuffer;
  /** Open brackets: 0 outside the array, 1 between its elements. */
  #depth = 0;
  #inString = false;
  #escaped = false;
  #ended = false;
  #some = false;
  failed = false;

  constructor(maxBytes: number) {
    this.#pieces = new ChunkBuffer(maxBytes);
  }

  *push(chunk: Buffer): Generator<Element> {
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
        // An empty element between two commas, or after the last one, is an invalid element.
        const isElement = element !== undefined || byte === COMMA || this.#some;
        this.#some = true;
        if (byte === CLOSE_BRACKET) {
          this.#depth = 0;
          this.#ended = true;
        }
        if (isElement) yield element ?? NOTHING;
      }
    }
    if (this.#depth > 0) this.#pieces.add(chunk.subarray(from));
  }

  end(): ReturnType<Splitter['end']> {
    return { how: this.#ended ? 'complete' : 'incomplete' };
  }

  /** @returns the index of the closing quote, or the chunk's length if the string continues in the next chunk */
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
    // The escaped character is in the next chunk.
    this.#escaped = at > chunk.length;
    return chunk.length;
  }
}
