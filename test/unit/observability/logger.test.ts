import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createLogger, describeError } from '../../../src/observability/logger.ts';

describe('describeError', () => {
  it('names the distinct reasons at the bottom of nested tries', () => {
    const refused = (port: number) => new Error(`connect ECONNREFUSED 127.0.0.1:${port}`);
    const tries = [1, 1, 2].map((port) => new Error('cannot connect', { cause: refused(port) }));
    const error = Object.assign(new AggregateError(tries, 'failed 3 times'), { code: 'PLT_KFK_MULTIPLE' });
    expect(describeError(error)).toEqual({
      message: 'failed 3 times',
      code: 'PLT_KFK_MULTIPLE',
      reasons: ['connect ECONNREFUSED 127.0.0.1:1', 'connect ECONNREFUSED 127.0.0.1:2'],
    });
  });

  it('keeps the stack of an error without a code, which is likely a fault of ours', () => {
    const error = new TypeError('x is not a function');
    expect(describeError(error)).toEqual({ message: 'x is not a function', stack: error.stack });
  });
});

describe('createLogger', () => {
  it.each(['json', 'text'] as const)('makes a %s logger of the level asked for', async (format) => {
    expect((await createLogger({ level: 'warn', format })).level).toBe('warn');
  });

  it('writes as text what others chose without its control characters', async () => {
    const destination = new PassThrough();
    const logger = await createLogger({ level: 'info', format: 'text' }, destination);
    const hostile = 'x\r\n02:00:00.000 INFO: forged\u001b[31m\u009b2J\u007f\u202e';
    const error = new TypeError(hostile);
    logger.warn({ eventId: hostile, nested: { list: [hostile] }, err: error }, `event ${hostile}`);
    logger.warn({ err: Object.assign(new Error(hostile), { code: 'X' }) }, 'with a code');
    logger.info('the last');
    let text = '';
    for await (const chunk of destination) {
      text += chunk;
      if (text.includes('the last')) break;
    }
    const controls = /[^\n\P{Cc}]|\u202e/u;
    expect([controls.exec(text), text.match(/^02:00:00\.000/gm)]).toEqual([null, null]);
    expect(text).toContain('event x\\r\\n02:00:00.000 INFO: forged\\u001b[31m\\u009b2J\\u007f\\u202e');
    expect(text).toContain('logger.test.ts');
  });
});
