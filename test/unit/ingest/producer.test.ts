import { describe, expect, it, vi } from 'vitest';
import { ApiError, ERRORS } from '../../../src/errors.ts';
import { AppendError, type AppendResult, type EventLog, type NewRecord } from '../../../src/log/event-log.ts';
import { newEvent, producerGround, uuid } from '../../support/producer.ts';
import { replacing } from '../../support/replacing.ts';
import { stopClock } from '../../support/stopped-clock.ts';
import { storing } from '../../support/storing.ts';

/** The log, with each append waiting until it is told to go on or what to answer instead. */
function heldLog(log: EventLog) {
  const appends: { records: readonly NewRecord[]; goOn(): void; refuse(error: AppendError): void }[] = [];
  const held = replacing(log, 'append', (real) => async (records) => {
    const { promise, resolve } = Promise.withResolvers<AppendResult[] | undefined>();
    appends.push({
      records,
      goOn: () => resolve(undefined),
      refuse: (error) => resolve(records.map(() => error)),
    });
    return (await promise) ?? real(records);
  });
  return { held, appends };
}

/** The same event sent twice, both appends waiting. */
async function sentTwice() {
  const { log, produce, appended } = await producerGround();
  const { held, appends } = heldLog(log);
  const producer = produce({ log: held });
  const send = async () => {
    const before = appends.length;
    const answer = producer.accept(newEvent({ eventId: uuid(1) }));
    await expect.poll(() => appends.length).toBe(before + 1);
    return { answer };
  };
  const { answer: first } = await send();
  const { answer: second } = await send();
  return { appends, appended, first, second, send };
}

describe('an event whose client chose its id', () => {
  it('that is sent again while it is under way is answered as the first, and appended once', async () => {
    const { appends, appended, first, second } = await sentTwice();
    for (const { goOn } of appends) goOn();
    expect((await first).duplicate).toBeUndefined();
    expect(await second).toMatchObject({ duplicate: 'same', receipt: (await first).receipt });
    expect(await appended()).toHaveLength(1);
  });

  it('that could not be appended may be sent again, and is appended then', async () => {
    const { appends, appended, first, second, send } = await sentTwice();
    const outage = new AppendError('unconfirmed', 'away');
    for (const { refuse } of appends) refuse(outage);
    await expect(first).rejects.toThrow(ERRORS.publish_failed.message);
    // It waited for the first, and is answered as that.
    await expect(second).rejects.toThrow(ERRORS.publish_failed.message);
    const { answer: third } = await send();
    appends[2]!.goOn();
    expect((await third).duplicate).toBeUndefined();
    expect(await appended()).toHaveLength(1);
  });
});

describe('a log that throws', () => {
  it('leaves nobody waiting for the ids it was given', async () => {
    const { log, produce } = await producerGround();
    let fails = true;
    const throwing = replacing(log, 'append', (real) => async (records) => {
      if (fails) throw new Error('it is closed');
      return real(records);
    });
    const producer = produce({ log: throwing });
    const one = newEvent({ eventId: uuid(1) });
    await expect(producer.accept(one)).rejects.toThrow('it is closed');
    fails = false;
    expect((await producer.accept(one)).duplicate).toBeUndefined();
  });
});

describe('the producer', () => {
  it('appends an event with its identity, and answers where it is', async () => {
    const { produce, appended, lines, count } = await producerGround();
    const producer = produce();
    const accepted = await producer.accept(newEvent({ userId: 'alice', payload: '{"n": 1.0}' }));
    const [record] = await appended();
    const json = `{"eventId":"${uuid(1000)}","userId":"alice","eventType":"LOGIN","timestamp":"2024-02-14T10:30:00.000Z","payload":{"n": 1.0}}`;
    expect(accepted).toEqual({
      eventId: uuid(1000),
      key: uuid(1000),
      json,
      receipt: { topic: 'events', partition: 0, offset: 0 },
    });
    expect(record!.value!.toString()).toBe(json);
    expect(record!.key!.toString()).toBe('alice');
    expect(record!.headers.map(([name, value]) => [name, value!.toString()])).toEqual([
      ['event-type', 'LOGIN'],
      ['event-id', uuid(1000)],
    ]);
    expect(lines).toMatchObject([
      {
        level: 30,
        partition: 0,
        offset: 0,
        msg: `[Producer] Event published successfully - eventId: ${uuid(1000)}`,
      },
    ]);
    expect(await count('footfall_events_generated_total')).toMatchObject([{ value: 1 }]);
    expect(await count('footfall_append_seconds')).toContainEqual(
      expect.objectContaining({ metricName: 'footfall_append_seconds_count', value: 1 }),
    );
  });

  it('keeps with an event whose caller chose its id, and its key, who that is', async () => {
    const { produce, appended } = await producerGround();
    const producer = produce();
    const one = await producer.accept(newEvent({ eventId: uuid(1), caller: 'one' }));
    const other = await producer.accept(newEvent({ eventId: uuid(1), caller: 'other' }));
    expect(one.duplicate).toBeUndefined();
    expect(other.duplicate).toBeUndefined();
    expect(one.key).not.toBe(other.key);
    const [record] = await appended();
    expect(record!.headers.at(-1)!.map(String)).toEqual(['event-caller', 'one']);
    expect(producer.recent(one.key)).toMatchObject({ json: one.json, receipt: one.receipt });
    expect(producer.recent(uuid(1))).toBeUndefined();
  });

  it('gives all events of a call one time, and each the time of its millisecond', async () => {
    const { produce } = await producerGround();
    const times = ['2024-02-14T10:30:00.000Z', '2024-02-14T10:30:00.001Z', '2024-02-14T10:30:00.001Z'];
    const producer = produce({ clock: { date: () => new Date(times.shift()!), now: () => 0 } });
    const timesOf = async (count: number) => {
      const answers = await producer.acceptAll(Array.from({ length: count }, () => newEvent()));
      return answers.map((answer) => /:00\.(\d+)Z/.exec((answer as { json: string }).json)![1]);
    };
    expect(await timesOf(2)).toEqual(['000', '000']);
    expect(await timesOf(1)).toEqual(['001']);
    expect(await timesOf(1)).toEqual(['001']);
  });

  it('logs each n-th event, or none', async () => {
    const { produce, lines } = await producerGround();
    await produce({ logEvery: 3 }).acceptAll(Array.from({ length: 7 }, () => newEvent()));
    expect(lines).toHaveLength(3);
    await produce({ logEvery: 0 }).accept(newEvent());
    expect(lines).toHaveLength(3);
  });

  it('passes on what there is to say of an event that is taken, and counts it', async () => {
    const { produce, count } = await producerGround();
    const producer = produce();
    expect(await producer.accept(newEvent({ warnings: ['odd'] }))).toMatchObject({ warnings: ['odd'] });
    const answers = await producer.acceptAll([newEvent(), newEvent({ warnings: ['odder'] })]);
    expect(answers.map((answer) => (answer as { warnings?: string[] }).warnings)).toEqual([
      undefined,
      ['odder'],
    ]);
    expect('warnings' in answers[0]!).toBe(false);
    expect(await count('footfall_event_warnings_total')).toMatchObject([{ value: 2 }]);
  });

  it('answers for each event of a call where the log refuses some', async () => {
    const { log, produce } = await producerGround();
    const tooLarge = new AppendError('too-large', 'too large');
    const refusing = replacing(log, 'append', (real) => async (records) => {
      const results = await real(records);
      return results.map((result, at) => (at === 1 ? tooLarge : result));
    });
    const producer = produce({ log: refusing });
    const answers = await producer.acceptAll([
      newEvent({ eventId: uuid(1) }),
      newEvent({ eventId: uuid(2) }),
      newEvent(),
    ]);
    expect(answers.map((answer) => (answer instanceof ApiError ? answer.code : answer.eventId))).toEqual([
      uuid(1),
      'body_too_large',
      uuid(1000),
    ]);
  });

  it('says once in five seconds that events cannot be published, and how many', async () => {
    stopClock();
    const { log, produce, lines } = await producerGround();
    const cause = new Error('no broker');
    let error = new AppendError('unconfirmed', 'away', cause);
    const failing = replacing(log, 'append', () => async (records) => records.map(() => error));
    const producer = produce({ log: failing });
    await producer.acceptAll([newEvent(), newEvent(), newEvent()]);
    expect(lines).toMatchObject([{ level: 50, failures: 1, err: { message: 'no broker' } }]);
    vi.advanceTimersByTime(4999);
    await producer.acceptAll([newEvent()]);
    expect(lines).toHaveLength(1);
    vi.advanceTimersByTime(1);
    await producer.acceptAll([newEvent()]);
    expect(lines.slice(1)).toMatchObject([{ failures: 4 }]);
    vi.advanceTimersByTime(5000);
    error = new AppendError('too-large', 'too large');
    await producer.acceptAll([newEvent()]);
    expect(lines).toHaveLength(2);
  });

  it('says why it cannot append until it has, and not what is wrong with an event', async () => {
    const { log, produce } = await producerGround();
    const append = vi.spyOn(log, 'append');
    const producer = produce();
    append.mockResolvedValueOnce([new AppendError('too-large', 'too large')]);
    await producer.acceptAll([newEvent()]);
    expect(producer.problem).toBeUndefined();
    const error = new AppendError('unconfirmed', 'away', new Error('no time'));
    append.mockResolvedValueOnce([error, error]);
    await producer.acceptAll([newEvent(), newEvent()]);
    expect(producer.problem).toBe('the latest 2 events could not be appended: no time');
    await producer.acceptAll([newEvent()]);
    expect(producer.problem).toBeUndefined();
    append.mockResolvedValueOnce([error, error]);
    await producer.acceptAll([newEvent(), newEvent()]);
    producer.forgetFailures();
    expect(producer.problem).toBeUndefined();
  });
});

describe('an event that came before', () => {
  const event = newEvent({ eventId: uuid(1), payload: '{"n":1,"sentAt":1}' });

  it('is answered as the first, where it is the same, and refused where it is not', async () => {
    const { produce, appended, count } = await producerGround();
    const producer = produce();
    const first = await producer.accept(event);
    expect(await producer.accept({ ...event, timestamp: '2025-01-01T00:00:00.000Z' })).toEqual({
      ...first,
      duplicate: 'same',
    });
    const other = { ...event, payload: '{"n":1,"sentAt":2}' };
    await expect(producer.accept(other)).rejects.toMatchObject({ code: 'id_conflict' });
    expect(await producer.accept({ ...other, varying: ['sentAt'] })).toMatchObject({ duplicate: 'same' });
    expect(await producer.acceptAll([{ ...other, varying: ['n'] }])).toMatchObject([{ code: 'id_conflict' }]);
    expect(await appended()).toHaveLength(1);
    expect(await count('footfall_events_duplicate_total')).toEqual([
      { labels: { kind: 'same' }, value: 2 },
      { labels: { kind: 'conflict' }, value: 2 },
    ]);
  });

  it('is found in the same call, in the store of another instance, and counted among those that are new', async () => {
    const { store, produce, appended, lines } = await producerGround();
    const first = produce();
    const [one, same] = await first.acceptAll([event, event, newEvent()]);
    expect(same).toMatchObject({ duplicate: 'same', receipt: (one as { receipt: object }).receipt });
    const storeMore = await storing(store);
    await storeMore([{ key: uuid(1), json: (one as { json: string }).json, offset: 7 }]);
    const later = produce();
    expect(await later.accept(event)).toMatchObject({
      duplicate: 'same',
      receipt: { topic: 'events', partition: 0, offset: 7 },
    });
    expect(await appended()).toHaveLength(2);
    expect(await later.countNew([event, newEvent({ eventId: uuid(2) }), newEvent()])).toBe(2);
    expect(await first.countNew([event, event])).toBe(0);
    expect(lines.map(({ msg }) => msg)).not.toContain('[Producer] Could not look up earlier events');
  });

  it('is not looked for where its id is Footfall’s own', async () => {
    const { store, produce } = await producerGround();
    const get = vi.spyOn(store, 'get');
    const producer = produce();
    await producer.accept(newEvent());
    await producer.acceptAll([newEvent()]);
    expect(get).not.toHaveBeenCalled();
    await producer.acceptAll([newEvent({ eventId: uuid(6) }), newEvent()]);
    expect(get.mock.calls).toEqual([[[uuid(6)]]]);
    await producer.accept(newEvent({ eventId: uuid(6) }));
    expect(get).toHaveBeenCalledTimes(1);
  });

  it('is appended once more where the store cannot say, or does not say in time', async () => {
    stopClock();
    const { store, produce, appended, lines } = await producerGround();
    const away = replacing(store, 'get', () => async () => {
      throw new Error('away');
    });
    expect((await produce({ store: away }).accept(event)).duplicate).toBeUndefined();
    expect(lines[0]).toMatchObject({ level: 20, err: { message: 'away' } });
    const silent = replacing(store, 'get', () => () => new Promise<never>(() => {}));
    const accepted = produce({ store: silent }).accept(event);
    await vi.advanceTimersByTimeAsync(999);
    expect(await appended()).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect((await accepted).duplicate).toBeUndefined();
    expect(await appended()).toHaveLength(2);
  });

  it('is appended once more where an earlier version stored it, which did not keep its place', async () => {
    const { store, produce, appended } = await producerGround();
    const old = replacing(store, 'get', () => async (keys) => {
      const record = { json: '{}', storedAt: null, duplicates: 0, conflicts: 0 };
      return new Map(
        keys.map((key, at) => [
          key,
          { ...record, partition: at === 0 ? null : 0, offset: at === 1 ? null : 0 },
        ]),
      );
    });
    const others = [event, { ...event, eventId: uuid(2) }];
    expect(await produce({ store: old }).countNew(others)).toBe(2);
    await produce({ store: old }).acceptAll(others);
    expect(await appended()).toHaveLength(2);
  });
});
