import { AppendError, type AppendResult, type NewRecord, type Receipt } from './event-log.ts';

/** A record with its size in bytes, so that a group stays below the limit of one write. */
export interface SizedRecord extends NewRecord {
  partition: number;
  bytes: number;
}

export interface AppendBatcherOptions {
  /** Writes one group and answers for each record in turn: its receipt, or why it is not known to be durable. */
  write: (records: readonly SizedRecord[]) => Promise<(Receipt | Error)[]>;
  /** Most bytes in one group; a single larger record is sent alone. */
  maxGroupBytes: number;
  /** Milliseconds after which a call is answered, whether or not its write has finished. */
  timeoutMs: number;
}

interface Call {
  records: readonly SizedRecord[];
  bytes: number;
  deadline: number;
  resolve(results: AppendResult[]): void;
}

/**
 * Groups concurrent appends: one group is in flight at a time, and whatever arrives meanwhile forms the next group. No
 * timer waits for more records, so a lone append is sent at once, and groups grow with load.
 */
export class AppendBatcher {
  readonly #options: AppendBatcherOptions;
  #waiting: Call[] = [];
  #inFlight: readonly Call[] = [];
  #running: Promise<void> | undefined;
  #expiry: NodeJS.Timeout | undefined;

  constructor(options: AppendBatcherOptions) {
    this.#options = options;
  }

  /** As `EventLog.append`. Records of one call stay in order; more than one write can hold are split over several. */
  async add(records: readonly SizedRecord[]): Promise<AppendResult[]> {
    if (records.length === 0) return [];
    const parts =
      sumBytes(records) <= this.#options.maxGroupBytes
        ? [records]
        : split(records, this.#options.maxGroupBytes);
    const results = await Promise.all(parts.map((part) => this.#enqueue(part)));
    return results.flat();
  }

  /** Resolves when nothing is waiting or in flight. */
  async idle(): Promise<void> {
    await this.#running;
  }

  #enqueue(records: readonly SizedRecord[]): Promise<AppendResult[]> {
    const bytes = sumBytes(records);
    return new Promise((resolve) => {
      this.#waiting.push({ records, bytes, deadline: performance.now() + this.#options.timeoutMs, resolve });
      this.#running ??= this.#run();
      this.#expiry ??= setTimeout(() => this.#expire(), this.#options.timeoutMs).unref();
    });
  }

  async #run(): Promise<void> {
    // Not at once: other requests that arrived in this turn of the event loop join the group.
    await new Promise(setImmediate);
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup();
      this.#inFlight = group;
      const records = group.flatMap((call) => call.records);
      let results: (Receipt | Error)[];
      try {
        results = await this.#options.write(records);
      } catch (error) {
        results = records.map(() => error as Error);
      }
      this.#inFlight = [];
      settle(group, results);
    }
    this.#running = undefined;
    clearTimeout(this.#expiry);
    this.#expiry = undefined;
  }

  #takeGroup(): Call[] {
    let bytes = 0;
    let count = 0;
    for (const call of this.#waiting) {
      if (count > 0 && bytes + call.bytes > this.#options.maxGroupBytes) break;
      bytes += call.bytes;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  /** Answers the calls that have timed out. A record in flight may still be written; only its caller stops waiting. */
  #expire(): void {
    const now = performance.now();
    const late = (call: Call) => call.deadline <= now;
    for (const call of this.#inFlight.filter(late)) fail(call, 'no answer from the log in time');
    const expired = this.#waiting.filter(late);
    this.#waiting = this.#waiting.filter((call) => !late(call));
    for (const call of expired) fail(call, 'not written in time');
    const next = this.#inFlight.find((call) => !late(call)) ?? this.#waiting[0];
    this.#expiry = next && setTimeout(() => this.#expire(), Math.max(1, next.deadline - now)).unref();
  }
}

function settle(group: readonly Call[], results: readonly (Receipt | Error)[]): void {
  let at = 0;
  for (const call of group) {
    const own = results.slice(at, at + call.records.length);
    at += call.records.length;
    call.resolve(own.map(toAppendResult));
  }
}

function fail({ records, resolve }: Call, why: string): void {
  const error = unconfirmed(new Error(why));
  resolve(records.map(() => error));
}

function toAppendResult(result: Receipt | Error): AppendResult {
  if (!(result instanceof Error) || result instanceof AppendError) return result;
  return unconfirmed(result);
}

function unconfirmed(cause: Error): AppendError {
  return new AppendError('unconfirmed', 'The log did not confirm the record', cause);
}

function sumBytes(records: readonly SizedRecord[]): number {
  return records.reduce((sum, record) => sum + record.bytes, 0);
}

/** Runs of records of at most `maxBytes` each; a single larger record forms its own run. */
function split(records: readonly SizedRecord[], maxBytes: number): SizedRecord[][] {
  const runs: SizedRecord[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const record of records) {
    bytes += record.bytes;
    if (bytes > maxBytes) {
      runs.push([]);
      bytes = record.bytes;
    }
    runs.at(-1)!.push(record);
  }
  return runs;
}
