// Serves the page and the client beside it. A bundler does the same with `import { Footfall } from 'footfall/client'`.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

const FILES: Record<string, [type: string, path: string]> = {
  '/': ['text/html', `${import.meta.dirname}/index.html`],
  '/footfall.js': ['text/javascript', fileURLToPath(import.meta.resolve('footfall/client'))],
};

const server = createServer(async ({ url = '/' }, response) => {
  const [type, path] = FILES[url.split('?', 1)[0]!] ?? [];
  if (type === undefined || path === undefined) return void response.writeHead(404).end();
  response.writeHead(200, { 'Content-Type': type }).end(await readFile(path));
});
const port = Number(process.env.PAGE_PORT ?? 8080);
server.listen(port, '127.0.0.1', () => console.log(`The page is at http://127.0.0.1:${port}`));
