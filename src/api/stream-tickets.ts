import { createHmac, timingSafeEqual } from 'node:crypto';
import { type ApiKey, type ApiKeys, allows } from '../api-keys.ts';

/** How long a ticket opens a stream, in seconds. The stream may go on for longer. */
export const TICKET_LIFE_S = 60;
const TICKET = /^(\d{1,12})\.([\w-]{43})$/;
/** What a page may change from one connection to the next. */
const FREE_PARAMETERS = ['ticket', 'after'];

/**
 * Tickets let a page's `EventSource`, which can send no header, open one stream without its key in an address. They are
 * signed with what all instances know, so that none has to remember them: for one key, one query, and a short time.
 */
export class StreamTickets {
  readonly #secret: string;

  constructor(secret: string) {
    this.#secret = secret;
  }

  /**
   * @param address path and query of the request: the ticket opens streams of the same filters
   * @param now milliseconds since 1970
   */
  issue(key: ApiKey | undefined, address: string, now: number): string {
    const end = String(Math.floor(now / 1000) + TICKET_LIFE_S);
    return `${end}.${this.#sign(key, end, filtersOf(address)).toString('base64url')}`;
  }

  /** The key a ticket stands for, if it may still read: one that was taken off the list takes its tickets along. */
  find(apiKeys: ApiKeys, ticket: string, address: string, now: number): ApiKey | undefined {
    const [, end, given] = TICKET.exec(ticket) ?? [];
    if (end === undefined || given === undefined || Number(end) * 1000 <= now) return undefined;
    const signature = Buffer.from(given, 'base64url');
    const filters = filtersOf(address);
    return apiKeys
      .list()
      .find((key) => allows(key, 'read') && timingSafeEqual(this.#sign(key, end, filters), signature));
  }

  #sign(key: ApiKey | undefined, end: string, filters: string): Buffer {
    const signed = JSON.stringify(['footfall stream ticket', end, key?.sha256, filters]);
    return createHmac('sha256', this.#secret).update(signed).digest();
  }
}

function filtersOf(address: string): string {
  const start = address.indexOf('?');
  const parameters = new URLSearchParams(start === -1 ? '' : address.slice(start));
  for (const name of FREE_PARAMETERS) parameters.delete(name);
  parameters.sort();
  return parameters.toString();
}
