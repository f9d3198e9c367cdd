import { expect, it } from 'vitest';
import { FailingAppends } from '../../../src/ingest/failing-appends.ts';
import { handClock } from '../../support/hand-clock.ts';

it('says why events cannot be appended until one is, or until nothing is known', () => {
  const clock = handClock();
  const appends = new FailingAppends(clock);
  expect(appends.problem).toBeUndefined();
  appends.failed(new Error('no time'));
  // One may fail for many reasons.
  expect(appends.problem).toBeUndefined();
  appends.failed(new Error('no right'));
  expect(appends.problem).toBe('the latest 2 events could not be appended: no right');
  appends.forget();
  expect(appends.problem).toBeUndefined();
  clock.advance(1);
  appends.failed(new Error('no time'));
  appends.failed(new Error('no time'));
  clock.advance(10_000);
  expect(appends.problem).toBe('the latest 2 events could not be appended: no time');
  clock.advance(1);
  expect(appends.problem).toBeUndefined();
});
