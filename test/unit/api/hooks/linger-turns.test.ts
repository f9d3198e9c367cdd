import { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { LingerTurns } from '../../../../src/api/hooks/linger-turns.ts';

const settled = () => new Promise(setImmediate);

/** Connections of one sender, and which of them have got their turn. */
function senderOf(turns: LingerTurns, sender: string) {
  const begun: number[] = [];
  const connections: Duplex[] = [];
  function arrive(count: number) {
    for (let at = 0; at < count; at++) {
      const connection = new Duplex();
      const number = connections.push(connection) - 1;
      turns.take(connection, sender, () => begun.push(number));
    }
  }
  const cut = () => [...connections.keys()].filter((number) => connections[number]!.destroyed);
  return { begun, connections, arrive, cut };
}

describe('LingerTurns', () => {
  it('lets four connections at a time read, in order, and goes on when one closes, whether it has read or waits', async () => {
    const { begun, connections, arrive } = senderOf(new LingerTurns(), 'a');
    arrive(7);
    expect(begun).toEqual([0, 1, 2, 3]);
    connections[4]!.destroy();
    await settled();
    expect(begun).toEqual([0, 1, 2, 3]);
    connections[1]!.destroy();
    await settled();
    expect(begun).toEqual([0, 1, 2, 3, 5]);
  });

  it('lets a hundred wait, and cuts the oldest of the sender that has most, also of many that come at once', () => {
    const turns = new LingerTurns();
    const good = senderOf(turns, 'good');
    const flood = senderOf(turns, 'flood');
    flood.arrive(4);
    good.arrive(1);
    flood.arrive(99);
    expect(flood.cut()).toEqual([]);
    flood.arrive(3);
    expect([good.cut(), flood.cut()]).toEqual([[], [4, 5, 6]]);
  });
});
