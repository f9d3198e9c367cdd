import type { LogRecord } from '../../src/log/event-log.ts';
import { NO_EPOCH } from '../../src/log/landmarks.ts';

/** What is at an offset: a record, or the marker that ends a transaction. */
export interface Entry {
  offset: number;
  epoch: number;
  /** Undefined for a marker. */
  record: LogRecord | undefined;
  transaction: number | undefined;
}

type Outcome = 'open' | 'committed' | 'aborted';

/** A partition as it was at some time, to be put back. */
export interface PartitionState {
  entries: Entry[];
  earliest: number;
  outcomes: Map<number, Outcome>;
  epoch: number;
  leaders: Leader[];
}

/** From which offset on records have the epoch of a leader. */
interface Leader {
  epoch: number;
  start: number;
}

/** What a fetch finds. */
export type Found =
  | { is: 'batch'; records: LogRecord[]; nextOffset: number; leaderEpoch: number }
  | { is: 'nothing' }
  | { is: 'out of range' }
  | { is: 'divergence'; at: number };

/**
 * One partition: records and markers at offsets from 0 on without gaps, of which retention deletes from the front.
 * Remembers all it ever held, for those who judge.
 */
export class PartitionLog {
  #entries: Entry[] = [];
  #outcomes = new Map<number, Outcome>();
  #earliest = 0;
  #epoch = 0;
  #leaders: Leader[] = [{ epoch: 0, start: 0 }];
  /** A broker that has just started may say that the log ends here. */
  #saidEnd = Number.POSITIVE_INFINITY;
  /** Transactions that ended in either way at some time; a log that is put back may end one once more. */
  readonly everCommitted = new Set<number>();
  readonly everAborted = new Set<number>();
  #everEarliest = 0;
  readonly #everDeleted = new Set<Entry>();
  /** By offset: whatever was there at some time. */
  readonly #ever: Entry[][] = [];

  get earliest(): number {
    return this.#earliest;
  }

  /** Of the leader there is now. */
  get epoch(): number {
    return this.#epoch;
  }

  /** What the broker says: at most what there is. */
  get end(): number {
    return Math.min(this.#entries.length, this.#saidEnd);
  }

  get realEnd(): number {
    return this.#entries.length;
  }

  /** Behind the last record: what follows are markers. */
  get lastRecordEnd(): number {
    return this.#entries.findLastIndex(({ record }) => record !== undefined) + 1;
  }

  get stable(): number {
    return Math.min(this.end, this.#firstOpen());
  }

  append(record: Omit<LogRecord, 'offset'>, transaction?: number): number {
    const offset = this.#entries.length;
    if (transaction !== undefined && !this.#outcomes.has(transaction))
      this.#outcomes.set(transaction, 'open');
    this.#push({ offset, epoch: this.epoch, record: { ...record, offset }, transaction });
    return offset;
  }

  /** Writes the marker that ends a transaction; nothing where it is not open. */
  finish(transaction: number, outcome: 'committed' | 'aborted'): boolean {
    if (this.#outcomes.get(transaction) !== 'open') return false;
    this.#outcomes.set(transaction, outcome);
    (outcome === 'committed' ? this.everCommitted : this.everAborted).add(transaction);
    this.#push({ offset: this.#entries.length, epoch: this.epoch, record: undefined, transaction });
    return true;
  }

  get openTransactions(): number[] {
    return [...this.#outcomes].filter(([, outcome]) => outcome === 'open').map(([id]) => id);
  }

  /** Another leader: what it appends has a higher epoch. */
  elect(epochs = 1): void {
    if (epochs === 0) return;
    this.#epoch += epochs;
    this.#leaders.push({ epoch: this.#epoch, start: this.#entries.length });
  }

  deleteBefore(offset: number): void {
    for (const entry of this.#entries.slice(this.#earliest, Math.max(offset, this.#earliest)))
      this.#everDeleted.add(entry);
    this.#earliest = Math.max(this.#earliest, Math.min(offset, this.#entries.length));
    this.#everEarliest = Math.max(this.#everEarliest, this.#earliest);
  }

  /** The broker says for now that the log ends at `end`; all of it again after `sayAll`. */
  sayEnd(end: number): void {
    this.#saidEnd = Math.max(this.#earliest, end);
  }

  sayAll(): void {
    this.#saidEnd = Number.POSITIVE_INFINITY;
  }

  get saysAll(): boolean {
    return this.#saidEnd >= this.#entries.length;
  }

  /** Loses what lies from `end` on. */
  cut(end: number): void {
    this.#entries.length = Math.min(this.#entries.length, Math.max(end, this.#earliest));
    const begun = new Set(this.#entries.map(({ transaction }) => transaction));
    for (const id of this.#outcomes.keys()) if (!begun.has(id)) this.#outcomes.delete(id);
    const ended = new Set(
      this.#entries.filter(({ record }) => !record).map(({ transaction }) => transaction),
    );
    for (const id of this.#outcomes.keys()) if (!ended.has(id)) this.#outcomes.set(id, 'open');
    const [first, ...others] = this.#leaders;
    this.#leaders = [first!, ...others.filter(({ start }) => start < this.#entries.length)];
    this.sayAll();
  }

  state(): PartitionState {
    return {
      entries: [...this.#entries],
      earliest: this.#earliest,
      outcomes: new Map(this.#outcomes),
      epoch: this.#epoch,
      leaders: [...this.#leaders],
    };
  }

  restore({ entries, earliest, outcomes, epoch, leaders }: PartitionState): void {
    this.#entries = [...entries];
    this.#earliest = earliest;
    this.#outcomes = new Map(outcomes);
    this.#epoch = epoch;
    this.#leaders = [...leaders];
    this.sayAll();
  }

  /** As a broker answers a fetch that asks for committed records alone. */
  fetch(from: number, lastEpoch: number, most: number): Found {
    const parting = lastEpoch === NO_EPOCH ? undefined : this.#parting(from, lastEpoch);
    if (parting !== undefined) return { is: 'divergence', at: parting };
    if (lastEpoch > this.epoch) return { is: 'out of range' };
    if (from < this.#earliest || from > this.#entries.length) return { is: 'out of range' };
    const to = Math.min(this.stable, from + most);
    if (to <= from) return { is: 'nothing' };
    const records = this.#entries.slice(from, to).flatMap(({ offset, record }) => {
      return record && this.isVisible(offset) ? [record] : [];
    });
    return { is: 'batch', records, nextOffset: to, leaderEpoch: this.#entries[to - 1]!.epoch };
  }

  /** What is at an offset, as `EventLog.read` gives it. */
  visible(offset: number): LogRecord | undefined {
    if (offset < this.#earliest || offset >= this.stable || !this.isVisible(offset)) return undefined;
    return this.#entries[offset]!.record;
  }

  /** Whatever is at an offset or after it, of open and aborted transactions, too. */
  firstFrom(offset: number): LogRecord | undefined {
    return this.#entries.find((entry) => entry.offset >= Math.max(offset, this.#earliest) && entry.record)
      ?.record;
  }

  isVisible(offset: number): boolean {
    const { record, transaction } = this.#entries[offset]!;
    return record !== undefined && this.isCommitted(transaction);
  }

  isCommitted(transaction: number | undefined): boolean {
    return transaction === undefined || this.#outcomes.get(transaction) === 'committed';
  }

  /** Whether a record was to be read at some time. */
  wasVisible({ record, transaction }: Entry): boolean {
    return record !== undefined && (transaction === undefined || this.everCommitted.has(transaction));
  }

  /** Everything before was deleted at some time. */
  get everEarliest(): number {
    return this.#everEarliest;
  }

  /** Whether retention has deleted it once; a log that is put back may hold it again. */
  wasDeleted(entry: Entry): boolean {
    return this.#everDeleted.has(entry);
  }

  everAt(offset: number): readonly Entry[] {
    return this.#ever[offset] ?? [];
  }

  /** All it ever held, by offset. */
  get ever(): readonly (readonly Entry[])[] {
    return this.#ever;
  }

  #push(entry: Entry): void {
    this.#entries.push(entry);
    const ever = this.#ever[entry.offset];
    if (ever === undefined) this.#ever[entry.offset] = [entry];
    else ever.push(entry);
  }

  #firstOpen(): number {
    let isAnyOpen = false;
    for (const outcome of this.#outcomes.values()) if (outcome === 'open') isAnyOpen = true;
    if (!isAnyOpen) return Number.POSITIVE_INFINITY;
    return this.#entries.find(
      ({ transaction }) => transaction !== undefined && this.#outcomes.get(transaction) === 'open',
    )!.offset;
  }

  /** KIP-320: where this log parts from one in which the record before `from` has epoch `lastEpoch`, if it does. */
  #parting(from: number, lastEpoch: number): number | undefined {
    if (lastEpoch === this.epoch) return this.#entries.length < from ? this.#entries.length : undefined;
    const next = this.#leaders.find(({ epoch }) => epoch > lastEpoch);
    // An epoch newer than any known here: the broker can only refuse.
    if (next === undefined) return undefined;
    const isKnown = this.#leaders.some(({ epoch }) => epoch === lastEpoch);
    return isKnown && next.start >= from ? undefined : next.start;
  }
}
