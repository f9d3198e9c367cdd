import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isatty } from 'node:tty';
import { styleText } from 'node:util';
import { type Command, InvalidArgumentError } from 'commander';
import { escapeControls } from '../observability/escape-controls.ts';
import { type Context, FAILED, showProgress } from './context.ts';
import { linesOf } from './lines.ts';
import {
  call,
  messageIn,
  NoAnswerError,
  retryAfterMs,
  type ServiceOptions,
  withServiceOptions,
} from './service-client.ts';

/** In one request. */
const MOST_LINES = 500;
const MOST_BYTES = 1_000_000;
const MOST_TRIES = 6;
/** Of a proxy in front, which knows no `Error-Retryable`. */
const TRANSIENT = [502, 503, 504];
/** Reasons that are shown. */
const SHOWN = 20;

interface SendOptions extends ServiceOptions {
  user?: string;
  type?: string;
  payload?: object;
}

interface BatchAnswer {
  accepted: number;
  results: { index: number; errors?: string[]; retryable?: boolean }[];
}

interface Try {
  /** Undefined if the answer is about the request as a whole, or there is none. */
  answer: BatchAnswer | undefined;
  isRetryable: boolean;
  /** Why it is not done. */
  reason: string;
  pauseMs: number;
}

export function addSend(program: Command, context: Context): void {
  const send = program
    .command('send [file]')
    .description('send events: the lines of a file or of standard input, or one event');
  withServiceOptions(send, context)
    .option('--user <id>', 'send one event, of this user')
    .option('--type <type>', 'its type')
    .option('--payload <json>', 'its payload', jsonObject)
    .addHelpText(
      'after',
      `
Each line is one event in JSON. What fails for a moment is sent again, and is recorded once. The key has to allow writing.

Exit codes: 0 all are durable, 1 some were rejected, or not sent.

Examples:
  footfall send --user user-123 --type LOGIN --payload '{"device":"iPhone"}'
  footfall send events.ndjson
  zcat events.ndjson.gz | footfall send`,
    )
    .action(async (file: string | undefined, options: SendOptions) => {
      const { user: userId, type: eventType, payload } = options;
      const isOne = userId !== undefined || eventType !== undefined;
      if (isOne && file !== undefined)
        send.error('Give a file, or one event with --user and --type, not both.');
      if (!isOne && payload !== undefined)
        send.error('--payload is for one event: give --user and --type, too.');
      const lines = isOne ? [JSON.stringify({ userId, eventType, payload })] : linesIn(file);
      const rejected = await new Sender(options, context).send(lines);
      context.exitCode = rejected > 0 ? FAILED : 0;
    });
}

function jsonObject(text: string): object {
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {}
  throw new InvalidArgumentError('It must be a JSON object, such as \'{"device":"iPhone"}\'.');
}

function linesIn(file: string | undefined): AsyncIterable<string> {
  if (file !== undefined) return linesOf(createReadStream(file));
  if (isatty(0)) throw new Error('Name a file, give events on standard input, or one with --user and --type');
  return linesOf(createReadStream('', { fd: 0 }));
}

class Sender {
  readonly #service: ServiceOptions;
  readonly #context: Context;
  #chunk: { number: number; text: string }[] = [];
  #bytes = 0;
  #accepted = 0;
  #rejected = 0;

  constructor(service: ServiceOptions, context: Context) {
    this.#service = service;
    this.#context = context;
  }

  /** @returns how many events were rejected. @throws when some could not be sent */
  async send(lines: AsyncIterable<string> | Iterable<string>): Promise<number> {
    let number = 0;
    for await (const text of lines) {
      number++;
      if (text.trim() === '') continue;
      if (this.#chunk.length === MOST_LINES || this.#bytes + text.length > MOST_BYTES) await this.#flush();
      this.#chunk.push({ number, text });
      this.#bytes += text.length;
    }
    await this.#flush();
    if (this.#context.isWatched) console.error();
    const events = this.#accepted === 1 ? 'event' : 'events';
    console.log(`${this.#accepted} ${events} recorded, ${this.#rejected} rejected`);
    return this.#rejected;
  }

  async #flush(): Promise<void> {
    if (this.#chunk.length === 0) return;
    const { accepted, results } = await this.#deliver();
    for (const { index, errors } of results) {
      if (errors === undefined || this.#rejected++ >= SHOWN) continue;
      const reason = escapeControls(errors.join('; '));
      const line = `line ${this.#chunk[index]!.number}: ${reason}`;
      console.error(styleText('red', line, { stream: process.stderr }));
    }
    this.#accepted += accepted;
    showProgress(this.#context, `${this.#accepted} events recorded`);
    this.#chunk = [];
    this.#bytes = 0;
  }

  /** Sends the chunk until nothing in it is worth sending again: with one key, each event is recorded once. */
  async #deliver(): Promise<BatchAnswer> {
    const headers = { 'Content-Type': 'application/x-ndjson', 'Idempotency-Key': randomUUID() };
    const body = this.#chunk.map(({ text }) => text).join('\n');
    for (let tries = 1; ; tries++) {
      const { answer, isRetryable, reason, pauseMs } = await this.#try({ method: 'POST', headers, body });
      if (answer !== undefined && !isRetryable) return answer;
      if (!isRetryable || tries === MOST_TRIES) throw this.#failure(reason);
      await sleep(pauseMs);
    }
  }

  async #try(request: { method: string; headers: Record<string, string>; body: string }): Promise<Try> {
    const { url } = this.#service;
    try {
      const response = await call(this.#service, '/events/batch', request);
      const text = await response.text().catch((error: Error) => {
        throw new NoAnswerError(url, error);
      });
      const answer = batchAnswerIn(text);
      return {
        answer,
        isRetryable:
          answer?.results.some(({ retryable }) => retryable) ??
          (response.headers.get('Error-Retryable') === 'true' || TRANSIENT.includes(response.status)),
        reason: `${url} answered ${response.status}: ${messageIn(text)}`,
        pauseMs: retryAfterMs(response),
      };
    } catch (error) {
      // Of a first request, that is rather a wrong address than an outage.
      const isFirst = this.#accepted === 0 && error instanceof NoAnswerError && !error.wasSent;
      if (!(error instanceof NoAnswerError) || isFirst) throw error;
      return { answer: undefined, isRetryable: true, reason: error.message, pauseMs: 1000 };
    }
  }

  #failure(reason: string): Error {
    const { number } = this.#chunk[0]!;
    const where =
      number === 1 ? 'Send it again' : `All lines before line ${number} are done: send it again from there`;
    return new Error(
      `${reason}\n${where}. Some of the next ${this.#chunk.length} lines may be recorded already; those without an eventId would be recorded twice.`,
    );
  }
}

function batchAnswerIn(text: string): BatchAnswer | undefined {
  try {
    const answer = JSON.parse(text) as Partial<BatchAnswer>;
    return answer.results === undefined ? undefined : (answer as BatchAnswer);
  } catch {
    return undefined;
  }
}
