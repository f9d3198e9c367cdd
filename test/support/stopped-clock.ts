import { onTestFinished, vi } from 'vitest';

/**
 * Stops the clock until the test ends: no time passes and no timer of this process goes off, however slow the machine.
 * `vi.advanceTimersByTime` moves it on. Sleeps of `node:timers/promises` and `setImmediate` go on as ever.
 */
export function stopClock(): void {
  vi.useFakeTimers({
    toFake: ['Date', 'performance', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'],
  });
  onTestFinished(() => void vi.useRealTimers());
}
