/** Index entry of a dead-lettered record; its bytes are in the dead-letter topic. */
export interface DeadLetterEntry {
  /** The key of the event it would have been; null if it has no eventId. */
  key: string | null;
  offset: number;
  /** As of `recordDigest`: if the log was rewritten, an offset holds a different record than before. */
  digest: string;
  reason: string;
  detail: string;
  /** 1 at first; incremented each time it is redriven and dead-lettered again. */
  attempt: number;
  deadLetteredAt: Date;
  deadLetterPartition: number;
  deadLetterOffset: number;
}

export interface DeadLetter extends Omit<DeadLetterEntry, 'digest'> {
  /** Ascending in the order of dead-lettering. */
  id: number;
  topic: string;
  partition: number;
  redrivenAt: Date | null;
}

/** All given conditions must hold. */
export interface DeadLetterQuery {
  limit: number;
  /** Only ids below this. */
  before?: number | undefined;
  ids?: readonly number[] | undefined;
  key?: string | undefined;
  reason?: string | undefined;
  /** True: only those not redriven yet. */
  waiting?: boolean | undefined;
}
