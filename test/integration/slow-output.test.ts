import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { StandardOutput } from '../../src/observability/standard-output.ts';
import { tempFolder } from '../support/temp-folder.ts';

const MOST_WAITING = 400_000;

/** A pipe that holds little until it is read, and an output that writes into it. */
async function ground() {
  const path = join(await tempFolder(), 'pipe');
  execFileSync('mkfifo', [path]);
  const descriptor = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  onTestFinished(() => closeSync(descriptor));
  const dropped: number[] = [];
  const output: StandardOutput = new StandardOutput({
    descriptor,
    mostWaiting: MOST_WAITING,
    onDropped: (texts) => {
      dropped.push(texts);
      // As the logger does.
      output.write(`${texts} dropped\n`);
    },
  });
  const chunk = Buffer.alloc(1_000_000);
  const read = () => {
    try {
      return chunk.toString('latin1', 0, readSync(descriptor, chunk));
    } catch {
      return '';
    }
  };
  return { output, dropped, read };
}

it('writes everything in order to a slow reader', async () => {
  const { output, dropped, read } = await ground();
  const lines = Array.from({ length: 3000 }, (_, at) => `${at} ${'x'.repeat(100)}\n`);
  for (const line of lines) output.write(line);
  let seen = '';
  await expect
    .poll(() => {
      seen += read();
      return seen.length;
    })
    .toBe(lines.join('').length);
  expect(seen).toBe(lines.join(''));
  expect(dropped).toEqual([]);
});

it('drops what a reader that takes nothing would let pile up, and says how much once it reads again', async () => {
  const { output, dropped, read } = await ground();
  const lines = Array.from({ length: 8000 }, (_, at) => `${at} ${'y'.repeat(100)}\n`);
  for (const line of lines) output.write(line);
  expect(dropped).toEqual([]);
  let seen = '';
  await expect
    .poll(() => {
      seen += read();
      return seen;
    })
    .toMatch(/ dropped\n$/);
  const kept = lines.length - dropped[0]!;
  expect(dropped).toHaveLength(1);
  expect(kept).toBeLessThan(lines.length);
  expect(seen).toBe(`${lines.slice(0, kept).join('')}${dropped[0]} dropped\n`);
});

it('writes what waits at the end of the process', async () => {
  const { output, read } = await ground();
  output.write('first\n');
  output.write('last\n');
  output.flush();
  await expect.poll(read).toContain('last\n');
});
