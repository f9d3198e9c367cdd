import { describe, expect, it } from 'vitest';
import { linesOf } from '../../../src/cli/lines.ts';

async function split(text: string, pieceBytes: number): Promise<string[]> {
  const bytes = Buffer.from(text);
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
  }
  return Array.fromAsync(linesOf(pieces()));
}

describe('lines of a stream of bytes', () => {
  it.each([1, 2, 3, 1000])('end at newlines, in whatever pieces the bytes come: %d', async (pieceBytes) => {
    expect(await split('ä\r\n\n😀 b\nlast', pieceBytes)).toEqual(['ä', '', '😀 b', 'last']);
    expect(await split('one\n', pieceBytes)).toEqual(['one']);
    expect(await split('', pieceBytes)).toEqual([]);
  });

  it('may hold the separators that JSON allows in a text', async () => {
    const line = JSON.stringify({ a: 'x\u2028y\u2029z\u0085' });
    expect(await split(`${line}\n${line}\n`, 5)).toEqual([line, line]);
  });
});
