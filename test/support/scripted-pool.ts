import { EventEmitter } from 'node:events';
import pg from 'pg';
import { onTestFinished, vi } from 'vitest';

/** A statement, and how it was asked. */
export interface Asked {
  text: string;
  name?: string;
  values?: unknown[];
  query_timeout?: number;
}

/** Answers one statement. */
export type Answer = (asked: Asked) => unknown;

/**
 * Until the test ends, connections of pools lead to no server: they answer as they are told.
 *
 * @param connects called for each connection, with its pool
 */
export function scriptedPool(answer: Answer, connects: (pool: pg.Pool) => Promise<void> = async () => {}) {
  const asked: Asked[] = [];
  /** How each connection was given back: whether it is to be closed. */
  const released: (boolean | undefined)[] = [];
  const pools: pg.Pool[] = [];
  const connect = vi.spyOn(pg.Pool.prototype, 'connect').mockImplementation(async function (this: pg.Pool) {
    pools.push(this);
    await connects(this);
    const client = Object.assign(new EventEmitter(), {
      async query(text: string | Asked, values?: unknown[]) {
        const one = typeof text === 'string' ? { text, ...(values && { values }) } : text;
        asked.push(one);
        return answer(one);
      },
      release: (isBroken?: boolean) => void released.push(isBroken),
    });
    this.emit('connect', client as unknown as pg.PoolClient);
    return client;
  } as never);
  onTestFinished(() => connect.mockRestore());
  return { asked, released, pools };
}
