import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { ApiOptions } from './server.ts';

/** What a list takes while it is sent: about two pages. */
const LIST_BYTES = 1_000_000;
const JSON_TYPE = 'application/json; charset=utf-8';

/** Events in and out. Bodies are put together as text: an event is already JSON, and is not parsed to be sent. */
export async function eventRoutes(
  api: FastifyInstance,
  { producer, store, maxBodyBytes }: ApiOptions,
): Promise<void> {
  api.post<{ Body: Buffer | undefined }>(
    '/events/generate',
    { config: { holdsBytes: maxBodyBytes } },
    async (request, reply) => {
      const { json, receipt } = await producer.generate(request.body);
      return reply
        .code(201)
        .header('Event-Topic', receipt.topic)
        .header('Event-Partition', String(receipt.partition))
        .header('Event-Offset', String(receipt.offset))
        .type(JSON_TYPE)
        .send(`{"success":true,"event":${json}}`);
    },
  );

  api.get('/events/processed', { config: { holdsBytes: LIST_BYTES } }, async (_request, reply) => {
    const pages = store.readAll()[Symbol.asyncIterator]();
    // The first page before the status line: what fails here is still answered with a 500.
    const first = await pages.next();
    return reply.type(JSON_TYPE).send(Readable.from(jsonArray(first, pages), { highWaterMark: 1 }));
  });
}

/** A JSON array, one chunk a page. When a page cannot be read, the connection breaks off: never a shorter array. */
async function* jsonArray(
  first: IteratorResult<string[], void>,
  rest: AsyncIterator<string[], void>,
): AsyncGenerator<string> {
  let opening = '[';
  for (let page = first; !page.done; page = await rest.next()) {
    yield opening + page.value.join(',');
    opening = ',';
  }
  yield opening === '[' ? '[]' : ']';
}
