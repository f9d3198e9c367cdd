import { describe, expect, it } from 'vitest';
import { formatFor } from '../../../../src/api/query/list-formats.ts';

async function* pages(...texts: string[][]) {
  for (const page of texts) yield page.map((json, at) => ({ sequence: at + 1, json }));
}

/** The whole body, of pages of events in this form. */
async function written(accept: string, ...texts: string[][]): Promise<string> {
  return (await Array.fromAsync(formatFor(accept).write(pages(...texts)))).join('');
}

function event(userId: string, payload = '{}'): string {
  return `{"eventId":"e","userId":${JSON.stringify(userId)},"eventType":"LOGIN","timestamp":"2024-02-14T10:30:00.000Z","payload":${payload}}`;
}

describe('a list of events', () => {
  it.each([
    [undefined, 'application/json'],
    ['', 'application/json'],
    ['*/*', 'application/json'],
    ['image/png', 'application/json'],
    ['application/x-ndjson', 'application/x-ndjson'],
    ['application/jsonl', 'application/x-ndjson'],
    ['application/ndjson', 'application/x-ndjson'],
    ['text/csv', 'text/csv'],
    ['text/csv;q=0.5, application/x-ndjson;q=0.9', 'application/x-ndjson'],
  ])('for a reader that accepts %s is %s', (accept, mediaType) => {
    expect(formatFor(accept).mediaType).toBe(mediaType);
  });

  it('is one JSON array, however many pages it comes in', async () => {
    expect(await written('application/json')).toBe('[]');
    expect(await written('application/json', [])).toBe('[]');
    expect(await written('application/json', ['{"a": 1.0}', '2'], [], ['3'])).toBe('[{"a": 1.0},2,3]');
  });

  it('is a JSON text a line, also where a text has several lines', async () => {
    expect(await written('application/x-ndjson', ['{"a":\r\n1}', '2'], [], ['3'])).toBe('{"a":  1}\n2\n3\n');
  });

  it('is CSV with a header, which no spreadsheet takes for formulas', async () => {
    const header = 'eventId,userId,eventType,timestamp,payload\r\n';
    expect(await written('text/csv')).toBe(header);
    const rows = await written(
      'text/csv',
      [],
      [event('=1+1'), event(' \t=1+1')],
      [event('u', '{"n":\n1.0}')],
    );
    expect(rows).toBe(
      `${header}e,'=1+1,LOGIN,2024-02-14T10:30:00.000Z,{}\r\n` +
        `e,' \t=1+1,LOGIN,2024-02-14T10:30:00.000Z,{}\r\n` +
        `e,u,LOGIN,2024-02-14T10:30:00.000Z,"{""n"": 1.0}"\r\n`,
    );
    const plain = await written('text/csv', [event(' ada'), event('1 =1')]);
    expect(plain).toContain('\r\ne, ada,');
    expect(plain).toContain('\r\ne,1 =1,');
  });
});
