// A user's events in order of time fall into sessions: a pause of half an hour ends one.

const PAUSE_MS = 30 * 60_000;

export interface Session {
  events: number;
  /** From its first event to its last. */
  ms: number;
  /** Whether it may go on in events that are not loaded. */
  isOpen: boolean;
}

/**
 * @param events newest first by their own time
 * @param hasMore whether there are older ones
 * @returns by its newest event's id
 */
export function sessionsOf(
  events: readonly { eventId: string; timestamp: string }[],
  hasMore: boolean,
): Map<string, Session> {
  const sessions = new Map<string, Session>();
  let newest = '';
  let [newestMs, earlierMs] = [Number.NaN, Number.NaN];
  for (const { eventId, timestamp } of events) {
    const ms = Date.parse(timestamp);
    // Also true of the first, and of times this browser does not know.
    const isNew = !(earlierMs - ms < PAUSE_MS);
    if (isNew) [newest, newestMs] = [eventId, ms];
    const before = isNew ? 0 : sessions.get(newest)!.events;
    sessions.set(newest, { events: before + 1, ms: newestMs - ms, isOpen: false });
    earlierMs = ms;
  }
  const oldest = sessions.get(newest);
  if (oldest !== undefined) oldest.isOpen = hasMore;
  return sessions;
}
