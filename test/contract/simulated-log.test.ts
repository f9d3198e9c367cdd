import { describe, onTestFinished } from 'vitest';
import { PlainLog } from '../simulator/plain-clock.ts';
import { eventLogContract, type LogHarness } from './event-log.contract.ts';

describe('the log of the simulator', () => {
  async function open(): Promise<LogHarness> {
    const log = new PlainLog(3);
    onTestFinished(() => log.stop());
    return {
      log: log.open(),
      topic: 'events',
      otherTopic: 'other',
      group: 'group',
      reopen: async () => log.open(),
    };
  }

  eventLogContract(open);
});
