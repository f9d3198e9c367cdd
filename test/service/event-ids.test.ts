import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { appendIn } from '../support/embedded-log.ts';
import { post, processed, serviceHere } from '../support/service.ts';
import { tempFolder } from '../support/temp-folder.ts';

const EVENT = { userId: 'u', eventType: 'LOGIN', payload: { n: 1 } };

async function sendBatch(url: string, events: object[]): Promise<unknown> {
  const headers = { 'Content-Type': 'application/json' };
  const body = JSON.stringify(events);
  return (await fetch(`${url}/events/batch`, { method: 'POST', headers, body })).json();
}

async function getEvent(url: string, eventId: string): Promise<{ status: number; answer: unknown }> {
  const response = await fetch(`${url}/events/${eventId}`);
  return { status: response.status, answer: await response.json() };
}

describe('an event with an id of its client', () => {
  it('is answered the same again, and stored once', async () => {
    const { url } = await serviceHere();
    const event = { ...EVENT, eventId: randomUUID() };
    const first = await post(url, event);
    const text = await first.text();
    expect(JSON.parse(text).event.eventId).toBe(event.eventId);
    const others = await Promise.all(Array.from({ length: 20 }, () => post(url, event)));
    for (const other of others) {
      expect([other.status, await other.text()]).toEqual([201, text]);
      expect(other.headers.get('event-duplicate')).toBe('same');
      expect(other.headers.get('event-offset')).toBe(first.headers.get('event-offset'));
    }
    await expect.poll(async () => (await processed(url)).length).toBe(1);
  });

  it('is answered the same after a start, from the store', async () => {
    const event = { ...EVENT, eventId: randomUUID() };
    const first = await serviceHere();
    const text = await (await post(first.url, event)).text();
    await expect.poll(async () => (await processed(first.url)).length).toBe(1);
    await first.stop();
    const again = await serviceHere({ DATA_DIR: first.folder });
    const answer = await post(again.url, event);
    expect([answer.headers.get('event-duplicate'), await answer.text()]).toEqual(['same', text]);
  });

  it('is refused when another was sent with it before, and told nothing of that one', async () => {
    const { url } = await serviceHere();
    const eventId = randomUUID();
    const text = await (await post(url, { ...EVENT, eventId })).text();
    const other = await post(url, { ...EVENT, eventId, payload: { n: 2 } });
    expect([other.status, other.headers.get('error-code')]).toEqual([409, 'id_conflict']);
    expect(await other.json()).toEqual({ success: false, error: expect.stringContaining('its own id') });
    expect(await (await fetch(`${url}/metrics`)).text()).toContain(
      'footfall_events_duplicate_total{kind="conflict"} 1',
    );
    await expect.poll(() => processed(url)).toEqual([JSON.parse(text).event]);
    // Also from the store, and in a batch.
    const batch = await sendBatch(url, [{ ...EVENT, eventId, payload: { n: 3 } }, EVENT]);
    expect(batch).toMatchObject({
      results: [{ status: 409, code: 'id_conflict', retryable: false }, { status: 201 }],
    });
  });

  it('must have a UUID', async () => {
    const { url } = await serviceHere();
    const response = await post(url, { ...EVENT, eventId: 'mine' });
    expect(await response.json()).toEqual({ success: false, errors: ['eventId must be a UUID'] });
  });

  it('may have an Idempotency-Key instead: any text gives a UUID, the same everywhere', async () => {
    const [one, other] = [await serviceHere(), await serviceHere()];
    const headers = { 'Idempotency-Key': 'order 17 / ä' };
    const encoded = { 'Idempotency-Key': Buffer.from(headers['Idempotency-Key']).toString('latin1') };
    const ids = [];
    for (const { url } of [one, one, other]) {
      ids.push(
        (JSON.parse(await (await post(url, EVENT, encoded)).text()) as { event: { eventId: string } }).event
          .eventId,
      );
    }
    expect(new Set(ids).size).toBe(1);
    expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it.each(['x'.repeat(256), ''])('is refused with the key %j', async (key) => {
    const { url } = await serviceHere();
    const response = await post(url, EVENT, { 'Idempotency-Key': key });
    expect(await response.json()).toEqual({
      success: false,
      errors: ['Idempotency-Key must be 1 to 255 characters long'],
    });
  });

  it('goes by its eventId where it has a key, too', async () => {
    const { url } = await serviceHere();
    const eventId = randomUUID();
    const response = await post(url, { ...EVENT, eventId }, { 'Idempotency-Key': 'k' });
    expect(((await response.json()) as { event: object }).event).toMatchObject({ eventId });
  });
});

describe('waiting for an event to be stored', () => {
  it('answers when it can be queried', async () => {
    const { url } = await serviceHere();
    const body = JSON.stringify({ ...EVENT, eventId: randomUUID() });
    const answer = async () => {
      const { status, headers } = await fetch(`${url}/events/generate?ack=stored`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Prefer: 'wait=10' },
        body,
      });
      return [status, headers.get('preference-applied')];
    };
    await expect.poll(answer).toEqual([201, 'wait=10']);
    expect(await processed(url)).toHaveLength(1);
  });

  it('answers 202 when that takes longer than the caller waits', async () => {
    // Nothing is stored while the store is away.
    const { url } = await serviceHere({ DATABASE_URL: 'postgres://u:p@127.0.0.1:1/d' });
    const response = await fetch(`${url}/events/generate?ack=stored`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Prefer: 'wait=0' },
      body: JSON.stringify(EVENT),
    });
    expect(response.status).toBe(202);
    expect(((await response.json()) as { success: boolean }).success).toBe(true);
  });

  it('is asked for in known words', async () => {
    const { url } = await serviceHere();
    const response = await fetch(`${url}/events/generate?ack=soon`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(EVENT),
    });
    expect([response.status, response.headers.get('error-code')]).toEqual([400, 'invalid_query']);
  });
});

describe('GET /events/{eventId}', () => {
  it('shows a stored event and where it came from', async () => {
    const { url } = await serviceHere();
    const response = await post(url, EVENT);
    const { event } = (await response.json()) as { event: { eventId: string } };
    expect(response.headers.get('location')).toBe(`/events/${event.eventId}`);
    await expect
      .poll(async () => (await getEvent(url, event.eventId)).answer)
      .toEqual({
        state: 'stored',
        partition: 0,
        offset: '0',
        storedAt: expect.any(String),
        duplicates: 0,
        conflicts: 0,
        event,
      });
  });

  it('shows why a record with its id is among the dead letters', async () => {
    const folder = await tempFolder();
    await appendIn(folder, ['{"eventId":"order-7","eventType":"LOGIN"}']);
    const { url } = await serviceHere({ DATA_DIR: folder });
    await expect
      .poll(async () => (await getEvent(url, 'order-7')).answer)
      .toMatchObject({
        state: 'dead-lettered',
        partition: 0,
        offset: '0',
        deadLetterId: '1',
        reason: 'invalid',
        event: null,
      });
  });

  it('answers 404 for one that is not there', async () => {
    const { url } = await serviceHere();
    expect(await getEvent(url, randomUUID())).toMatchObject({ status: 404 });
    expect(await getEvent(url, '%00')).toMatchObject({ status: 404 });
  });
});
