import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiError } from '../../errors.ts';
import type { Accepted } from '../../ingest/producer.ts';
import type { StoredEvents } from '../../ingest/stored-event-waiter.ts';

const DEFAULT_WAIT_S = 5;
const MAX_WAIT_S = 30;
const WAIT = /(?:^|[,;\s])wait=(\d{1,4})(?:$|[,;\s])/i;

type Taken = Pick<Accepted, 'key' | 'receipt'>;

/** When an event counts as accepted: `durable` in the log, or `stored` and queryable, which the caller waits for. */
export type Acknowledgement = { ack: 'durable' } | { ack: 'stored'; waitS: number; asked: boolean };

/**
 * Reads `?ack=` and `Prefer: wait=SECONDS` (RFC 7240).
 *
 * @throws ApiError `invalid_query`
 */
export function readAcknowledgement({ query, headers }: FastifyRequest): Acknowledgement {
  const { ack = 'durable' } = query as Record<string, unknown>;
  if (ack === 'durable') return { ack };
  if (ack !== 'stored') throw new ApiError('invalid_query', { details: ['ack must be durable or stored'] });
  const wait = WAIT.exec(String(headers.prefer ?? ''))?.[1];
  return { ack, waitS: Math.min(Number(wait ?? DEFAULT_WAIT_S), MAX_WAIT_S), asked: wait !== undefined };
}

/**
 * Waits, if requested, until events are stored.
 *
 * @returns 201, or 202 when they are durable but not stored in time
 */
export async function acknowledge(
  acknowledgement: Acknowledgement,
  accepted: readonly Taken[],
  storedEvents: StoredEvents,
  reply: FastifyReply,
): Promise<201 | 202> {
  if (acknowledgement.ack === 'durable' || accepted.length === 0) return 201;
  const { waitS, asked } = acknowledgement;
  if (asked) reply.header('Preference-Applied', `wait=${waitS}`);
  return (await storedEvents.wait(lastOfEachPartition(accepted), waitS * 1000)) ? 201 : 202;
}

/** A partition is processed in order: when its last event is stored, so are the earlier ones. */
function lastOfEachPartition(accepted: readonly Taken[]): string[] {
  const last = new Map<number, Taken>();
  for (const one of accepted) {
    const { partition, offset } = one.receipt;
    if (offset >= (last.get(partition)?.receipt.offset ?? 0)) last.set(partition, one);
  }
  return [...last.values()].map(({ key }) => key);
}
