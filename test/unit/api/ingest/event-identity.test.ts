import type { FastifyRequest } from 'fastify';
import { describe, expect, it } from 'vitest';
import { countsContentOnce, readIdentity } from '../../../../src/api/ingest/event-identity.ts';
import { ApiError } from '../../../../src/errors.ts';
import { callersUuid } from '../../../../src/events/event-ids.ts';
import { newEvent } from '../../../support/producer.ts';

interface Asked {
  dedupe?: string;
  key?: string | string[];
  caller?: string;
  isMany?: boolean;
}

/** A request that says this of its events. */
function request({ dedupe, key, caller }: Asked): FastifyRequest {
  const query = dedupe === undefined ? {} : { dedupe };
  const headers = key === undefined ? {} : { 'idempotency-key': key };
  return { query, headers, caller: caller === undefined ? undefined : { name: caller } } as FastifyRequest;
}

/** The ids that such a request gives to events without one, by their texts. */
function idsOf(asked: Asked, texts: readonly string[]): (string | undefined)[] {
  const identify = readIdentity(request(asked), { isMany: asked.isMany ?? false });
  return texts.map((text) => identify(newEvent(), text).eventId);
}

describe('an event without an id', () => {
  it('gets none from a request that says nothing', () => {
    expect(idsOf({}, ['a'])).toEqual([undefined]);
  });

  it('gets that of the key of its request, with its number where there are many', () => {
    const key = 'k'.repeat(255);
    expect(idsOf({ key, caller: 'shop' }, ['a'])).toEqual([callersUuid('shop', 'idempotency-key', key)]);
    expect(idsOf({ key, isMany: true }, ['a', 'b'])).toEqual(
      ['0', '1'].map((number) => callersUuid(undefined, 'idempotency-key', key, number)),
    );
    expect(idsOf({ key, dedupe: 'content' }, ['a'])).toEqual(idsOf({ key }, ['b']));
  });

  it('gets that of its content, and of how often that came before in the request', () => {
    const asked = { dedupe: 'content', caller: 'shop', isMany: true };
    const ids = idsOf(asked, ['a', 'b', 'a', 'a']);
    const first = callersUuid('shop', 'content', 'a');
    expect(ids).toEqual([
      first,
      callersUuid('shop', 'content', 'b'),
      callersUuid('shop', 'content', first, '1'),
      callersUuid('shop', 'content', first, '2'),
    ]);
    expect(idsOf(asked, ['a'])).toEqual([first]);
  });

  it('is counted once by its content only where that is asked for', () => {
    expect(countsContentOnce(request({ dedupe: 'content' }))).toBe(true);
    expect(countsContentOnce(request({}))).toBe(false);
  });
});

it.each([{ key: 'k' }, { dedupe: 'content' }])('an id of its own is kept, with %j', (asked) => {
  const own = newEvent({ eventId: 'mine' });
  expect(readIdentity(request(asked), { isMany: false })(own, 'a')).toEqual(own);
});

it.each<[Asked, string]>([
  [{ key: '' }, 'invalid_event'],
  [{ key: 'k'.repeat(256) }, 'invalid_event'],
  [{ key: ['a', 'b'] }, 'invalid_event'],
  [{ dedupe: 'other' }, 'invalid_query'],
  [{ dedupe: '' }, 'invalid_query'],
])('a request with %j is refused', (asked, code) => {
  expect(() => readIdentity(request(asked), { isMany: false })).toThrow(
    expect.toSatisfy((error) => error instanceof ApiError && error.code === code),
  );
});
