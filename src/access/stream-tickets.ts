import { createHmac, timingSafeEqual } from 'node:crypto';
import { type ApiKey, type ApiKeys, allows } from './api-keys.ts';

/** How long a ticket opens streams, in milliseconds. A stream that is open goes on for longer. */
const TICKET_LIFE_MS = 60_000;
const TICKET = /^(\d{1,15})\.([\w-]{43})$/;

/** As it is answered. */
export interface StreamTicket {
  ticket: string;
  /** ISO 8601, in UTC. */
  expiresAt: string;
}

/**
 * A ticket lets a page's `EventSource`, which can send no header, open a stream without its key in an address.
 *
 * It is signed with the hash of its key. That is what all instances have in common and nobody else knows, so each takes
 * the tickets of the others, nothing has to be kept, and a ticket ends with its key. The price: whoever can read the list
 * of keys can make tickets, so the list must be as private as the password of the store.
 *
 * @param key whose it is; undefined where no keys are needed, and neither are tickets
 * @param now milliseconds since 1970
 */
export function issueTicket(key: ApiKey | undefined, now: number): StreamTicket {
  const end = now + TICKET_LIFE_MS;
  const ticket = `${end}.${sign(key?.sha256 ?? '', String(end)).toString('base64url')}`;
  return { ticket, expiresAt: new Date(end).toISOString() };
}

/**
 * The key a ticket stands for, while that is on the list and may read.
 *
 * @param now milliseconds since 1970, by the clock of this instance, whichever gave the ticket
 */
export function keyOfTicket(apiKeys: ApiKeys, ticket: string, now: number): ApiKey | undefined {
  const [, end, signature] = TICKET.exec(ticket) ?? [];
  if (end === undefined || Number(end) <= now) return undefined;
  const given = Buffer.from(signature!, 'base64url');
  return apiKeys.list().find((key) => allows(key, 'read') && timingSafeEqual(sign(key.sha256, end), given));
}

function sign(sha256: string, end: string): Buffer {
  return createHmac('sha256', sha256).update(`footfall stream ticket until ${end}`).digest();
}
