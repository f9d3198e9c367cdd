import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { onTestFinished } from 'vitest';

/** An event as it came, and its text. */
interface Received {
  eventId: string;
  userId: string;
  eventType: string;
  payload: Record<string, unknown>;
  text: string;
}

/** How the service answers a batch; each as the contract has it (docs/api.md, docs/errors.md). */
export type Answer = keyof typeof ANSWERS;

type Answerer = (service: ScriptedService, events: Received[], response: ServerResponse) => void;

const taken = (index: number, { eventId }: Received) => ({ index, status: 201, eventId });
const refused = (index: number, status: number, code: string, retryable = false) => ({
  index,
  status,
  code,
  retryable,
  errors: [`refused: ${code}`],
});

function answer(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(body));
}

function wholly(status: number, code: string, retryAfter?: string): Answerer {
  const headers = { 'Error-Code': code, ...(retryAfter && { 'Retry-After': retryAfter }) };
  return (_service, _events, response) => answer(response, status, { success: false, error: code }, headers);
}

/** Every third has a fate of its own. */
function mixed(status: number, code: string, retryable: boolean): Answerer {
  return (service, events, response) => {
    const results = events.map((event, at) => {
      // What it has taken once it takes again.
      if (at % 3 === 1 && !service.stored.has(event.eventId)) return refused(at, status, code, retryable);
      service.store(event);
      return taken(at, event);
    });
    answer(response, 207, { success: false, results });
  };
}

export const ANSWERS = {
  '201': (service, events, response) => {
    for (const event of events) service.store(event);
    answer(response, 201, { success: true, results: events.map((event, at) => taken(at, event)) });
  },
  '207 some refused': mixed(400, 'invalid_event', false),
  '207 some to be retried': mixed(500, 'publish_failed', true),
  '207 some in conflict': mixed(409, 'id_conflict', false),
  '207 read in part': (service, events, response) => {
    const read = events.slice(0, Math.ceil(events.length / 2));
    for (const event of read) service.store(event);
    const results: object[] = read.map((event, at) => taken(at, event));
    if (read.length < events.length) results.push(refused(read.length, 413, 'batch_too_large'));
    answer(response, 207, { success: false, results });
  },
  '400 each': (service, events, response) => {
    const results = events.map((event, at) =>
      service.stored.has(event.eventId) ? taken(at, event) : refused(at, 400, 'invalid_event'),
    );
    answer(response, 400, { success: false, results });
  },
  '400': wholly(400, 'body_not_json'),
  '401': wholly(401, 'unauthorized'),
  '403': wholly(403, 'forbidden'),
  '404': wholly(404, 'endpoint_not_found'),
  '408': wholly(408, 'request_timeout'),
  '413': wholly(413, 'body_too_large'),
  '429': wholly(429, 'rate_limited'),
  '429 with Retry-After': wholly(429, 'rate_limited', '7'),
  '500': wholly(500, 'publish_failed'),
  '503 with a date': wholly(503, 'overloaded', 'Fri, 31 Dec 2100 23:59:59 GMT'),
  'of something else': (_service, _events, response) => {
    response.writeHead(200, { 'Content-Type': 'text/html' }).end('<h1>Welcome to the airport</h1>');
  },
  'without results': (_service, _events, response) => answer(response, 201, { success: true, results: [] }),
  cut: (_service, _events, response) => void response.socket?.resetAndDestroy(),
  'cut after it was stored': (service, events, response) => {
    for (const event of events) {
      service.store(event);
      service.unanswered.add(event.eventId);
    }
    response.writeHead(201, { 'Content-Length': '1000' }).write('{"results":[');
    response.socket?.resetAndDestroy();
  },
  hanging: () => {},
} satisfies Record<string, Answerer>;

/** A real HTTP server that gives what answers a test wants, and stores what it says it has taken. */
export class ScriptedService {
  readonly url: string;
  /** Until told otherwise, of every request. */
  answers: Answer = '201';
  /** Those for the next requests, before. */
  readonly next: Answer[] = [];
  /** Each batch as it came. */
  readonly batches: Received[][] = [];
  readonly requests: { url: string; headers: IncomingMessage['headers'] }[] = [];
  /** By id; the first counts. */
  readonly stored = new Map<string, Received>();
  /** Ids of what it stored without an answer. */
  readonly unanswered = new Set<string>();
  /** Ids that came with two texts. */
  readonly conflicts: string[] = [];
  readonly #texts = new Map<string, string>();
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  }

  /** Ends with the test, or with `stop()`. */
  static async start(): Promise<ScriptedService> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const service = new ScriptedService(server);
    server.on('request', (request, response) => void service.#answer(request, response));
    onTestFinished(() => service.stop());
    return service;
  }

  /** The ids as they came, those sent again as often. */
  get ids(): string[] {
    return this.batches.flat().map(({ eventId }) => eventId);
  }

  store(event: Received): void {
    if (!this.stored.has(event.eventId)) this.stored.set(event.eventId, event);
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { origin } = request.headers;
    if (origin) response.setHeader('Access-Control-Allow-Origin', origin);
    response.setHeader('Access-Control-Allow-Headers', 'authorization, content-type');
    response.setHeader('Access-Control-Expose-Headers', 'Retry-After');
    if (request.method === 'OPTIONS') return void response.writeHead(204).end();
    let body = '';
    // A client that gives up breaks the body off: then there is nobody to answer.
    request.on('error', () => {});
    for await (const chunk of request) body += chunk;
    this.requests.push({ url: request.url!, headers: request.headers });
    const events = (JSON.parse(body) as object[]).map(
      (event) => ({ ...event, text: JSON.stringify(event) }) as Received,
    );
    for (const { eventId, text } of events) {
      const known = this.#texts.get(eventId) ?? text;
      this.#texts.set(eventId, known);
      if (known !== text) this.conflicts.push(eventId);
    }
    this.batches.push(events);
    const answerer: Answerer = ANSWERS[this.next.shift() ?? this.answers];
    answerer(this, events, response);
  }
}
