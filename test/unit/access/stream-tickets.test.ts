import { describe, expect, it } from 'vitest';
import { type ApiKey, ApiKeys, createKey, type Scope } from '../../../src/access/api-keys.ts';
import { issueTicket, keyOfTicket } from '../../../src/access/stream-tickets.ts';

const NOW = Date.parse('2024-02-14T10:30:00.000Z');

function keyOf(name: string, ...scopes: Scope[]): ApiKey {
  return createKey({ name, scopes }).entry;
}

function listOf(...keys: ApiKey[]): ApiKeys {
  return new ApiKeys({ text: JSON.stringify(keys) });
}

describe('a ticket', () => {
  const reader = keyOf('reader', 'read');
  const writer = keyOf('writer', 'write');
  const keys = listOf(keyOf('another', 'admin'), writer, reader);
  const { ticket, expiresAt } = issueTicket(reader, NOW);

  it('stands for its key for a minute, in every instance with the same list', () => {
    expect(expiresAt).toBe('2024-02-14T10:31:00.000Z');
    expect(keyOfTicket(keys, ticket, NOW)).toEqual(reader);
    expect(keyOfTicket(listOf(reader), ticket, NOW + 59_999)).toEqual(reader);
    expect(keyOfTicket(keys, ticket, NOW + 60_000)).toBeUndefined();
  });

  it('ends with its key, and opens nothing for one that may not read', () => {
    expect(keyOfTicket(listOf(writer), ticket, NOW)).toBeUndefined();
    expect(keyOfTicket(keys, issueTicket(writer, NOW).ticket, NOW)).toBeUndefined();
    expect(keyOfTicket(keys, issueTicket(undefined, NOW).ticket, NOW)).toBeUndefined();
  });

  it('cannot be made to live longer, nor be of a piece', () => {
    const [end, signature] = ticket.split('.') as [string, string];
    expect(keyOfTicket(keys, `${Number(end) + 1}.${signature}`, NOW)).toBeUndefined();
    expect(keyOfTicket(keys, `0${end}.${signature}`, NOW)).toBeUndefined();
    for (const text of [
      '',
      '.',
      end,
      signature,
      `${end}.`,
      `.${signature}`,
      `${ticket}.`,
      `x${ticket}`,
      `${ticket}x`,
    ]) {
      expect(keyOfTicket(keys, text, NOW)).toBeUndefined();
    }
    expect(keyOfTicket(keys, `${'9'.repeat(16)}.${signature}`, NOW)).toBeUndefined();
  });
});
