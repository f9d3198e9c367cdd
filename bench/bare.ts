import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Answers requests on a free port, and says where, as `startNode` waits for. */
export function serve(listener: RequestListener): void {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1', () => {
    console.log(`answers on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });
}

/** Does its work each time it is asked, and answers with how much that was. */
export function serveWork(work: () => Promise<number>): void {
  serve(async (_request, response) => void response.end(String(await work())));
}
