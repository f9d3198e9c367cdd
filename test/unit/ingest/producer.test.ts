import { describe, expect, it } from 'vitest';
import { ERRORS, FootfallError } from '../../../src/errors.ts';
import type { AppendResult, EventLog, NewRecord } from '../../../src/log/event-log.ts';
import { newEvent, producerGround, uuid } from '../../support/producer.ts';
import { replacing } from '../../support/replacing.ts';

/** The log, with each append waiting until it is told to go on or what to answer instead. */
function heldLog(log: EventLog) {
  const appends: { records: readonly NewRecord[]; goOn(): void; refuse(error: FootfallError): void }[] = [];
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

describe('an event whose client chose its id', () => {
  it('that is sent again while it is under way is answered as the first, and appended once', async () => {
    const { log, produce, appended } = await producerGround();
    const { held, appends } = heldLog(log);
    const producer = produce({ log: held });
    const first = producer.accept(newEvent({ eventId: uuid(1) }));
    await expect.poll(() => appends).toHaveLength(1);
    const second = producer.accept(newEvent({ eventId: uuid(1) }));
    await expect.poll(() => appends).toHaveLength(2);
    for (const { goOn } of appends) goOn();
    expect((await first).repeated).toBeUndefined();
    expect(await second).toMatchObject({ repeated: 'same', receipt: (await first).receipt });
    expect(await appended()).toHaveLength(1);
  });

  it('that could not be appended may be sent again, and is appended then', async () => {
    const { log, produce, appended } = await producerGround();
    const { held, appends } = heldLog(log);
    const producer = produce({ log: held });
    const first = producer.accept(newEvent({ eventId: uuid(1) }));
    await expect.poll(() => appends).toHaveLength(1);
    const second = producer.accept(newEvent({ eventId: uuid(1) }));
    await expect.poll(() => appends).toHaveLength(2);
    const outage = new FootfallError('publish_failed');
    for (const { refuse } of appends) refuse(outage);
    await expect(first).rejects.toThrow(ERRORS.publish_failed.message);
    // It waited for the first, and is answered as that.
    await expect(second).rejects.toThrow(ERRORS.publish_failed.message);
    const third = producer.accept(newEvent({ eventId: uuid(1) }));
    await expect.poll(() => appends).toHaveLength(3);
    appends[2]!.goOn();
    expect((await third).repeated).toBeUndefined();
    expect(await appended()).toHaveLength(1);
  });
});
