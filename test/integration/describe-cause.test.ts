import { readFile } from 'node:fs/promises';
import { Admin, Producer } from '@platformatic/kafka';
import { describe, expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../src/cli/kafka/free-port.ts';
import { describeCause, errorsIn } from '../../src/describe-cause.ts';
import { tempFolder } from '../support/temp-folder.ts';

async function errorOf(work: Promise<unknown>): Promise<Error> {
  return work.then(
    () => expect.unreachable('it should fail'),
    (error: Error) => error,
  );
}

/** Settings of a client whose only broker is a port where nobody listens. */
async function nobody(retries: number) {
  const bootstrapBrokers = [`127.0.0.1:${await freePort()}`];
  return { clientId: 'unit', bootstrapBrokers, retries, retryDelay: 1 };
}

describe('describeCause', () => {
  it('says where nobody answers, whatever the Kafka client was doing', async () => {
    const options = await nobody(0);
    const admin = new Admin(options);
    onTestFinished(() => admin.close());
    const refused = `connect ECONNREFUSED ${options.bootstrapBrokers[0]}`;
    expect(describeCause(await errorOf(admin.listTopics()))).toBe(`Listing topics failed: ${refused}`);
    expect(describeCause(await errorOf(admin.metadata({ topics: ['g'] })))).toBe(
      `Cannot connect to any broker: ${refused}`,
    );
  });

  it('says once what failed at every try', async () => {
    const options = await nobody(2);
    const producer = new Producer(options);
    onTestFinished(() => producer.close());
    const sending = producer.send({ messages: [{ topic: 'g', value: Buffer.from('x') }] });
    expect(describeCause(await errorOf(sending))).toBe(
      `metadata failed 3 times: connect ECONNREFUSED ${options.bootstrapBrokers[0]}`,
    );
  });

  it('names the addresses of a host that does not answer at any', async () => {
    const port = await freePort();
    const error = await errorOf(fetch(`http://localhost:${port}`));
    expect(describeCause(error)).toMatch(
      new RegExp(`^fetch failed: connect ECONNREFUSED (::1|127\\.0\\.0\\.1):${port}`),
    );
  });

  it('leaves out paths of files and everything behind the first line', async () => {
    const folder = await tempFolder();
    const path = `${folder}/missing/footfall.db`;
    const error = await errorOf(readFile(path));
    expect(describeCause(error)).toBe("ENOENT: no such file or directory, open 'footfall.db'");
    const multiline = new Error(`cannot open '${path}'\n    at open (file:///srv/app/src/main.ts:3:7)`);
    expect(describeCause(multiline)).toBe("cannot open 'footfall.db'");
    expect(describeCause(new Error('failed (C:\\Users\\me\\data\\x.db)'))).toBe('failed (x.db)');
    expect(describeCause(new Error('GET http://127.0.0.1:9092/a/b gave 404'))).toBe(
      'GET http://127.0.0.1:9092/a/b gave 404',
    );
  });

  it('is one line of at most 300 characters, also of what is no error, empty, or its own cause', () => {
    expect(describeCause(new Error('x'.repeat(500)))).toHaveLength(300);
    expect(describeCause('nothing\nmore')).toBe('nothing');
    expect(describeCause(undefined)).toBe('undefined');
    expect(describeCause(new TypeError(''))).toBe('TypeError');
    expect(describeCause(new AggregateError([new Error('a'), new Error('b')], ''))).toBe('a; b');
    const circular = new Error('round');
    circular.cause = new Error('and round', { cause: circular });
    expect(describeCause(circular)).toBe('round: and round');
    expect([...errorsIn(circular)].map(({ message }) => message)).toEqual(['round', 'and round']);
  });

  it('names no more than three causes, and none that was said already', () => {
    const causes = ['a', 'b', 'a', 'c', 'd'].map((message) => new Error(message));
    expect(describeCause(new AggregateError(causes, 'Away.'))).toBe('Away: b; c; d');
    expect(describeCause(new Error('topic g: not there', { cause: new Error('not there') }))).toBe(
      'topic g: not there',
    );
  });
});
