/** Compares texts by their bytes in UTF-8, as databases do, without encoding them. */
export function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const difference = placeOf(a.charCodeAt(at)) - placeOf(b.charCodeAt(at));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

const FIRST_SURROGATE = 0xd800;
const AFTER_SURROGATES = 0xe000;

/** Characters beyond 16 bits come last in UTF-8; in UTF-16 their surrogates sort before U+E000 to U+FFFF. */
function placeOf(code: number): number {
  return code >= FIRST_SURROGATE && code < AFTER_SURROGATES ? code + AFTER_SURROGATES : code;
}

const PIECE_TEXTS = 512;

/** Distinct texts in this order, in pieces, so that an insertion moves few others. */
export class SortedTexts {
  readonly #pieces: string[][] = [[]];

  add(text: string): void {
    const at = this.#pieceFor(text);
    const piece = this.#pieces[at]!;
    const place = firstFrom(piece, text);
    if (piece[place] === text) return;
    piece.splice(place, 0, text);
    if (piece.length > PIECE_TEXTS) this.#pieces.splice(at + 1, 0, piece.splice(PIECE_TEXTS / 2));
  }

  delete(text: string): void {
    const at = this.#pieceFor(text);
    const piece = this.#pieces[at]!;
    const place = firstFrom(piece, text);
    if (piece[place] !== text) return;
    piece.splice(place, 1);
    if (piece.length === 0 && this.#pieces.length > 1) this.#pieces.splice(at, 1);
  }

  /** The first texts from this one on. */
  from(text: string, limit: number): string[] {
    let at = this.#pieceFor(text);
    const found = this.#pieces[at]!.slice(firstFrom(this.#pieces[at]!, text));
    while (found.length < limit && ++at < this.#pieces.length) found.push(...this.#pieces[at]!);
    return found.slice(0, limit);
  }

  /** Index of the piece that has this text, or would. */
  #pieceFor(text: string): number {
    const behind = firstWhere(
      this.#pieces.length,
      (at) => compareBytes(this.#pieces[at]![0] ?? '', text) > 0,
    );
    return Math.max(0, behind - 1);
  }
}

/** Index of the first text that is not before this one. */
function firstFrom(sorted: readonly string[], text: string): number {
  return firstWhere(sorted.length, (at) => compareBytes(sorted[at]!, text) >= 0);
}

/** The first number below `end` for which the condition holds; it holds for all after it. `end` if there is none. */
function firstWhere(end: number, is: (at: number) => boolean): number {
  let from = 0;
  let to = end;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (is(middle)) to = middle;
    else from = middle + 1;
  }
  return from;
}
