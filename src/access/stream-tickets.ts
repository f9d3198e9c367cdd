import { createHmac, timingSafeEqual } from 'node:crypto';
import { type ApiKey, type ApiKeys, allows } from './api-keys.ts';

/** How long a ticket can open streams, in milliseconds. Open streams continue. */
const TICKET_LIFE_MS = 60_000;
const TICKET = /^(\d{1,15})\.([\w-]{43})$/;

/** As it is answered. */
export interface StreamTicket {
  ticket: string;
  /** ISO 8601, in UTC. */
  expiresAt: string;
}

/**
 * A ticket lets a page's `EventSource`, which cannot send headers, open a stream without its key in a URL.
 *
 * It is signed with the hash of its key. All instances share that hash and nobody else knows it, so each accepts the
 * others' tickets, nothing has to be stored, and a ticket expires with its key. The price: whoever can read the list of
 * keys can forge tickets, so the list must be as private as the store's password.
 *
 * @param key the key to stand in for; undefined if no keys are needed, in which case neither are tickets
 * @param now milliseconds since 1970
 */
export function issueTicket(key: ApiKey | undefined, now: number): StreamTicket {
  const end = now + TICKET_LIFE_MS;
  const ticket = `${end}.${sign(key?.sha256 ?? '', String(end)).toString('base64url')}`;
  return { ticket, expiresAt: new Date(end).toISOString() };
}

/**
 * The key behind a ticket, as long as it is still listed and may read.
 *
 * @param now milliseconds since 1970, by this instance's clock, whichever instance issued the ticket
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
