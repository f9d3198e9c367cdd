import type { FastifyReply, FastifyRequest } from 'fastify';
import { describe, expect, it } from 'vitest';
import { acknowledge, readAcknowledgement } from '../../../../src/api/ingest/acknowledgement.ts';
import { ApiError } from '../../../../src/errors.ts';
import type { StoredEvents } from '../../../../src/ingest/stored-event-waiter.ts';

function read(query: object, prefer?: string) {
  return readAcknowledgement({ query, headers: { prefer } } as unknown as FastifyRequest);
}

/** An event at this place of the log. */
function accepted(key: string, partition: number, offset: number) {
  return { key, receipt: { topic: 'events', partition, offset } };
}

/** What is waited for, and what the reply is told. */
async function waited(
  acknowledgement: Parameters<typeof acknowledge>[0],
  events: Parameters<typeof acknowledge>[1],
  isStored = true,
) {
  const asked: unknown[] = [];
  const headers: string[][] = [];
  const storedEvents = {
    async wait(...args: unknown[]) {
      asked.push(args);
      return isStored;
    },
  };
  const reply = { header: (...header: string[]) => headers.push(header) };
  const status = await acknowledge(
    acknowledgement,
    events,
    storedEvents as unknown as StoredEvents,
    reply as unknown as FastifyReply,
  );
  return { status, asked, headers };
}

describe('an answer', () => {
  it('waits for storing only where that is asked for, and for five seconds unless it is told otherwise', () => {
    expect(read({})).toEqual({ ack: 'durable' });
    expect(read({ ack: 'durable' }, 'wait=9')).toEqual({ ack: 'durable' });
    expect(read({ ack: 'stored' })).toEqual({ ack: 'stored', waitS: 5, asked: false });
    expect(read({ ack: 'stored' }, 'respond-async, wait=9')).toEqual({
      ack: 'stored',
      waitS: 9,
      asked: true,
    });
    expect(read({ ack: 'stored' }, 'wait=0')).toEqual({ ack: 'stored', waitS: 0, asked: true });
    expect(read({ ack: 'stored' }, 'wait=9999')).toEqual({ ack: 'stored', waitS: 30, asked: true });
    expect(read({ ack: 'stored' }, 'await=9')).toEqual({ ack: 'stored', waitS: 5, asked: false });
    expect(() => read({ ack: 'later' })).toThrow(ApiError);
  });

  it('is given at once where nothing is to be waited for', async () => {
    const stored = { ack: 'stored', waitS: 3, asked: true } as const;
    expect(await waited({ ack: 'durable' }, [accepted('a', 0, 0)])).toEqual({
      status: 201,
      asked: [],
      headers: [],
    });
    expect(await waited(stored, [])).toEqual({ status: 201, asked: [], headers: [] });
  });

  it('waits for the last event of each partition, and says whether it is stored', async () => {
    const stored = { ack: 'stored', waitS: 3, asked: false } as const;
    const events = [accepted('a', 0, 7), accepted('b', 1, 0), accepted('c', 0, 9), accepted('d', 0, 8)];
    expect(await waited(stored, events)).toEqual({ status: 201, asked: [[['c', 'b'], 3000]], headers: [] });
    expect((await waited(stored, events, false)).status).toBe(202);
    expect((await waited({ ...stored, asked: true }, events)).headers).toEqual([
      ['Preference-Applied', 'wait=3'],
    ]);
  });
});
