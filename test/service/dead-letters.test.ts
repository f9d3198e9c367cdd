import { randomUUID } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { DeadLetters, sendToDeadLetterTopic } from '../../src/dead-letters/dead-letters.ts';
import type { LogRecord } from '../../src/log/event-log.ts';
import { Meter } from '../../src/observability/meter.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { readAll } from '../../src/query/event-query.ts';
import type { StoreBatch } from '../../src/store/event-store.ts';
import { MemoryStore } from '../../src/store/memory/memory-store.ts';
import { runConsumer } from '../support/consumer.ts';
import { appendIn, openLog } from '../support/embedded-log.ts';
import { silentLogger } from '../support/logger.ts';
import { serviceHere } from '../support/service.ts';
import { newBatch } from '../support/store-batches.ts';
import { tempFolder } from '../support/temp-folder.ts';

const TOPIC = 'user-activity-events';

interface Listed {
  id: string;
  offset: string;
  reason: string;
  attempt: number;
  redrivenAt: string | null;
}

function eventJson(eventId: string): string {
  return `{"eventId":"${eventId}","userId":"u","eventType":"LOGIN","timestamp":"2024-02-14T10:30:00.000Z","payload":{}}`;
}

/** The service on a log that already holds these records. */
async function serviceOn(values: (string | Buffer | null)[]): Promise<string> {
  const folder = await tempFolder();
  await appendIn(folder, values, { key: 'key', headers: [['h', 'x']] });
  return (await serviceHere({ DATA_DIR: folder })).url;
}

async function list(url: string, query = ''): Promise<{ deadLetters: Listed[]; next: string | null }> {
  return (await (await fetch(`${url}/dead-letters${query}`)).json()) as {
    deadLetters: Listed[];
    next: string | null;
  };
}

async function redrive(
  url: string,
  body: unknown,
): Promise<{ status: number; answer: Record<string, unknown> }> {
  const response = await fetch(`${url}/dead-letters/redrive`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, answer: (await response.json()) as Record<string, unknown> };
}

/** Stores a batch that holds nothing but dead letters, the first of its partition. */
async function storeLetters(
  store: MemoryStore,
  ref: Pick<StoreBatch, 'group' | 'topic' | 'topicId'>,
  batch: Pick<StoreBatch, 'startOffset' | 'nextOffset' | 'deadLetters'>,
): Promise<void> {
  await store.claim(ref, [0]);
  await store.process([newBatch([], { ...ref, ...batch })]);
}

async function untilSetAside(url: string, count: number): Promise<Listed[]> {
  await expect.poll(async () => (await list(url, '?limit=500')).deadLetters.length).toBe(count);
  return (await list(url, '?limit=500')).deadLetters;
}

describe('GET /dead-letters', () => {
  it('lists what was set aside, newest first, with why and where from', async () => {
    const url = await serviceOn(['junk', eventJson(randomUUID()), null]);
    const [newest, oldest] = await untilSetAside(url, 2);
    expect(newest).toEqual({
      id: expect.stringMatching(/^\d+$/),
      topic: TOPIC,
      partition: 0,
      offset: '2',
      reason: 'empty',
      detail: 'the record has no value',
      attempt: 1,
      deadLetteredAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      redrivenAt: null,
    });
    expect(oldest).toMatchObject({ offset: '0', reason: 'not-json', detail: 'the value is not JSON' });
  });

  it('goes on page by page, and filters', async () => {
    const url = await serviceOn(['a', 'b', null, 'd', 'e']);
    const all = await untilSetAside(url, 5);
    const first = await list(url, '?limit=2');
    expect(first.deadLetters).toEqual(all.slice(0, 2));
    const second = await list(url, `?limit=2&cursor=${first.next}`);
    const third = await list(url, `?limit=2&cursor=${second.next}`);
    expect([...first.deadLetters, ...second.deadLetters, ...third.deadLetters]).toEqual(all);
    expect(third.next).toBeNull();
    expect((await list(url, '?reason=empty')).deadLetters).toEqual([all[2]]);
  });

  it.each([
    'limit=0',
    'limit=501',
    'limit=1e1',
    'limit=0x10',
    'cursor=x',
    'waiting=maybe',
    'reason=a&reason=b',
    'x=1',
  ])('refuses ?%s', async (query) => {
    const url = await serviceOn([]);
    const response = await fetch(`${url}/dead-letters?${query}`);
    expect([response.status, response.headers.get('error-code')]).toEqual([400, 'invalid_query']);
    expect(await response.json()).toEqual({ success: false, errors: [expect.any(String)] });
  });

  it('shows one with its record as it was, bytes that are no text in Base64', async () => {
    const bytes = Buffer.from([0xff, 0x00, 0xfe]);
    const url = await serviceOn(['junk', bytes]);
    const [binary, text] = await untilSetAside(url, 2);
    const show = async (id: string) =>
      (await fetch(`${url}/dead-letters/${id}`)).json() as Promise<{ record: object }>;
    expect(await show(text!.id)).toMatchObject({
      ...text,
      record: { key: { text: 'key' }, value: { text: 'junk' } },
    });
    expect((await show(text!.id)).record).toHaveProperty('headers.0', { name: 'h', value: { text: 'x' } });
    expect(await show(binary!.id)).toMatchObject({ record: { value: { base64: bytes.toString('base64') } } });
  });

  it.each(['999', 'x', '0'])('does not know id %s', async (id) => {
    const response = await fetch(`${await serviceOn([])}/dead-letters/${id}`);
    expect([response.status, response.headers.get('error-code')]).toEqual([404, 'dead_letter_not_found']);
  });
});

describe('POST /dead-letters/redrive', () => {
  it('sends some back once, and counts the attempt when they fail again', async () => {
    const url = await serviceOn(['a', 'b']);
    const [b, a] = await untilSetAside(url, 2);
    expect(await redrive(url, { ids: [a!.id, a!.id, '999'] })).toEqual({
      status: 200,
      answer: { success: true, redriven: 1, skipped: 0, missing: ['999'] },
    });
    const after = await untilSetAside(url, 3);
    expect(after[0]).toMatchObject({ offset: '2', attempt: 2, redrivenAt: null });
    expect(after[1]).toEqual(b);
    expect(after[2]!.redrivenAt).not.toBeNull();
    const shown = (await (await fetch(`${url}/dead-letters/${after[0]!.id}`)).json()) as {
      record: { headers: { name: string }[] };
    };
    const names = shown.record.headers.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);

    expect((await redrive(url, { ids: [a!.id] })).answer).toEqual({
      success: true,
      redriven: 0,
      skipped: 1,
      missing: [],
    });
    expect((await list(url, '?waiting=true')).deadLetters.map(({ id }) => id)).toEqual([after[0]!.id, b!.id]);
  });

  it('sends all of a reason back, or all there are, in the order in which they failed', async () => {
    const url = await serviceOn(['a', null, ...Array.from({ length: 450 }, (_, number) => `junk ${number}`)]);
    await untilSetAside(url, 452);
    expect((await redrive(url, { all: true, reason: 'empty' })).answer).toMatchObject({ redriven: 1 });
    await expect.poll(async () => (await list(url, '?waiting=true&limit=500')).deadLetters.length).toBe(452);
    expect((await redrive(url, { all: true })).answer).toMatchObject({
      redriven: 452,
      skipped: 0,
      missing: [],
    });
    await expect.poll(async () => (await list(url, '?waiting=true&limit=500')).deadLetters.length).toBe(452);
    const again = (await list(url, '?waiting=true&limit=500')).deadLetters.reverse();
    const offsets = again.map(({ offset }) => Number(offset));
    expect(offsets).toEqual(offsets.map((_, at) => offsets[0]! + at));
    expect(again.map(({ reason }) => reason).lastIndexOf('empty')).toBe(451);
  });

  it('does the same once when asked twice at the same time', async () => {
    const url = await serviceOn(['a', 'b', 'c']);
    const ids = (await untilSetAside(url, 3)).map(({ id }) => id);
    const answers = await Promise.all([redrive(url, { ids }), redrive(url, { ids })]);
    expect(answers.map(({ answer }) => answer.redriven).sort()).toEqual([0, 3]);
    await untilSetAside(url, 6);
  });

  it('sends one back as a person mended it, once, under the key of its user', async () => {
    const url = await serviceOn(['{"userId":"u","eventType":"LOGIN"']);
    const [letter] = await untilSetAside(url, 1);
    const value = eventJson(randomUUID()).replace('"userId":"u"', '"userId":"mended"');
    const wanting = await redrive(url, { ids: [letter!.id], value: value.replace('LOGIN', 'NEVER') });
    expect(wanting.status).toBe(400);
    expect(wanting.answer.errors).toEqual([expect.stringContaining('value is not a valid event: eventType')]);
    const body = { ids: [letter!.id], value };
    expect((await redrive(url, body)).answer).toMatchObject({ redriven: 1, skipped: 0 });
    expect((await redrive(url, body)).answer).toMatchObject({ redriven: 0, skipped: 1 });
    await expect.poll(async () => (await fetch(`${url}/events/processed`)).text()).toBe(`[${value}]`);
  });

  it.each([
    {},
    { ids: ['1', '2'], value: '{}' },
    { ids: ['1'], value: {} },
    { all: true, value: '{}' },
    { ids: 'x' },
    { ids: [7] },
    { ids: ['x'] },
    { ids: ['1'], all: true },
    { all: false },
    { all: true, reason: 7 },
  ])('refuses %j', async (body) => {
    const { status, answer } = await redrive(await serviceOn([]), body);
    expect([status, answer]).toEqual([
      400,
      { success: false, errors: [expect.stringContaining('GET /dead-letters')] },
    ]);
  });

  it('stores what has become an event once, also when a crash made it be sent back twice', async () => {
    const { log } = await openLog();
    const store = new MemoryStore();
    const id = randomUUID();
    // Set aside by an earlier version, to which this event was none.
    const record: LogRecord = {
      offset: 0,
      key: Buffer.from('u'),
      value: Buffer.from(eventJson(id)),
      headers: [],
      timestamp: 0,
      timestampType: 'CreateTime',
    };
    const ref = { group: 'group', topic: TOPIC, topicId: 'before' };
    const deadLetters = await sendToDeadLetterTopic(log, 'group', { topic: TOPIC, partition: 0 }, [
      { record, reason: 'invalid', detail: 'unknown type' },
    ]);
    await storeLetters(store, ref, { startOffset: 0, nextOffset: 1, deadLetters });

    const markRedriven = vi.spyOn(store, 'markRedriven').mockRejectedValueOnce(new Error('crash'));
    const letters = new DeadLetters({ log, store, group: 'group' });
    await expect(letters.redrive({})).rejects.toThrow('crash');
    expect(await letters.redrive({})).toEqual({ redriven: 1, skipped: 0, missing: [] });
    expect(await letters.redrive({})).toEqual({ redriven: 0, skipped: 0, missing: [] });
    expect(markRedriven).toHaveBeenCalledTimes(2);

    const [metrics, logger] = [createMetrics(new Meter()), silentLogger];
    runConsumer({ log, store, topic: TOPIC, group: 'group', logger, metrics, logEvery: 0 });
    await expect
      .poll(async () => (await store.positions('group', TOPIC)).find(({ topicId }) => topicId !== 'before'))
      .toMatchObject({ offset: 2, stored: 1, duplicates: 1 });
    expect((await Array.fromAsync(readAll(store))).flat().map(({ json }) => json)).toEqual([eventJson(id)]);
  });

  it('shows and sends back none whose place in the dead-letter topic holds another record by now', async () => {
    const { log } = await openLog();
    const store = new MemoryStore();
    const junk = (offset: number): LogRecord => ({
      offset,
      key: null,
      value: Buffer.from(`junk ${offset}`),
      headers: [],
      timestamp: 0,
      timestampType: 'CreateTime',
    });
    const place = { topic: TOPIC, partition: 0 };
    const rejected = (offset: number) => ({
      record: junk(offset),
      reason: 'not-json' as const,
      detail: 'no JSON',
    });
    const [first] = await sendToDeadLetterTopic(log, 'group', place, [rejected(7)]);
    const ref = { group: 'group', topic: TOPIC, topicId: 'topic' };
    // The topic was rolled back: the second dead letter is now where the first was.
    const deadLetters = [8, 7].map((offset) => ({ ...first!, offset }));
    await storeLetters(store, ref, { startOffset: 7, nextOffset: 9, deadLetters });
    const letters = new DeadLetters({ log, store, group: 'group' });
    expect(await letters.get(1)).toMatchObject({ letter: { offset: 8 }, record: undefined });
    expect(await letters.get(2)).toMatchObject({ record: { value: Buffer.from('junk 7') } });
    expect(await letters.redrive({})).toEqual({ redriven: 1, skipped: 0, missing: ['1'] });
  });
});
