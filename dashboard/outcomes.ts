// What can become of an event, and the rows that say so in Live.
import { type DeadLetter, get, type UserEvent } from './api.ts';
import { asText, members } from './exact-json.ts';
import { followNewest, type NewestListener, type Page, type RejectedEvent, readList } from './newest.ts';
import { toDeadLetter, toEvent, toRejected } from './route.ts';

export const OUTCOMES = ['stored', 'duplicate', 'conflict', 'rejected', 'dead-lettered'] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** Refusals and duplicates of a process. */
const LIST_MS = 1500;
const LIST_LIMIT = '50';
const LETTERS_MS = 3000;
const FEW_LETTERS = 20;
const MOST_LETTERS = 500;

export interface Row {
  outcome: Outcome;
  key: string;
  /** When it happened; of a stored event what its client says. */
  at: string;
  href: string;
  /** As far as it is known. */
  event: Partial<UserEvent>;
  /** What there is to say beside its payload. */
  detail?: string;
}

/** What is looked for. Empty: anything. */
export interface Filter {
  userId: string;
  eventType: string;
  member: string;
  value: string;
}

export const NO_FILTER: Filter = { userId: '', eventType: '', member: '', value: '' };

/** Of what is not stored less is known: where that is not enough to tell, it does not match. */
export function matches({ event }: Row, { userId, eventType, member, value }: Filter): boolean {
  if (userId !== '' && event.userId !== userId) return false;
  if (eventType !== '' && event.eventType !== eventType) return false;
  if (member === '') return true;
  const found = event.payload === undefined ? undefined : valueAt(event.payload, member.split('.'));
  return found === value;
}

function valueAt(json: string, [name, ...rest]: string[]): string | undefined {
  if (name === undefined) return asText(json);
  if (!json.startsWith('{')) return undefined;
  const found = members(json).findLast(([member]) => member === name)?.[1];
  return found === undefined ? undefined : valueAt(found, rest);
}

export function storedRow(event: UserEvent): Row {
  const { eventId, timestamp } = event;
  return { outcome: 'stored', key: eventId, at: timestamp, href: toEvent(eventId), event };
}

type Listener = (rows: Row[], missed: number, isFirst: boolean, outcome: Outcome) => void;

/** Follows all outcomes but `stored`. @returns ends it */
export function followOthers(onRows: Listener, onProblem: (problem: string | undefined) => void): () => void {
  const problems = new Map<string, string | undefined>();
  function listener<T>(outcome: Outcome, toRow: (one: T, process: string) => Row): NewestListener<T> {
    return {
      onPage: ({ items, process }, missed, isFirst) =>
        onRows(
          items.map((one) => toRow(one, process)),
          missed,
          isFirst,
          outcome,
        ),
      onProblem: (problem) => {
        problems.set(outcome, problem);
        onProblem([...problems.values()].find((one) => one !== undefined));
      },
    };
  }
  const ends = [
    followNewest(newest<DuplicateEvent>('/events/duplicates'), LIST_MS, listener('duplicate', duplicateRow)),
    followNewest(newest<RejectedEvent>('/events/rejected'), LIST_MS, listener('rejected', rejectedRow)),
    followNewest(readLetters, LETTERS_MS, listener('dead-lettered', letterRow)),
  ];
  return () => {
    for (const end of ends) end();
  };
}

/** @returns reads those that are newer than one of them */
function newest<T>(path: string): (after: string | undefined) => Promise<Page<T>> {
  return (after) => readList(path, { limit: LIST_LIMIT, ...(after !== undefined && { after }) });
}

interface DuplicateEvent {
  id: string;
  receivedAt: string;
  foundAt: 'intake' | 'processing';
  eventId: string;
  userId: string;
  eventType: string;
}

function duplicateRow({ id, receivedAt, foundAt, ...event }: DuplicateEvent, process: string): Row {
  const detail =
    foundAt === 'intake' ? 'came again under its id; counted once' : 'was in the log again; counted once';
  const href = toEvent(event.eventId);
  return { outcome: 'duplicate', key: `${process} d${id}`, at: receivedAt, href, event, detail };
}

function rejectedRow({ id, rejectedAt, code, errors, body }: RejectedEvent, process: string): Row {
  return {
    outcome: code === 'id_conflict' ? 'conflict' : 'rejected',
    key: `${process} r${id}`,
    at: rejectedAt,
    href: toRejected(id, process),
    event: eventIn(body),
    detail: errors.join('; '),
  };
}

/** What a refused body says of its event, where it is one. */
function eventIn(body: string | null): Partial<UserEvent> {
  if (!body?.trimStart().startsWith('{')) return {};
  try {
    const found = new Map(members(body));
    const text = (name: string) =>
      found.get(name) === undefined ? {} : { [name]: asText(found.get(name)!) };
    const payload = found.get('payload');
    return { ...text('userId'), ...text('eventType'), ...(payload !== undefined && { payload }) };
  } catch {
    // Not JSON, which may be why it was refused.
    return {};
  }
}

/** Dead letters are in the store, the same for all processes. */
async function readLetters(after: string | undefined): Promise<Page<DeadLetter>> {
  const newer = async (limit: number) => {
    const { deadLetters } = await get<{ deadLetters: DeadLetter[] }>(`/dead-letters?limit=${limit}`);
    return deadLetters.filter(({ id }) => after === undefined || Number(id) > Number(after));
  };
  const few = await newer(FEW_LETTERS);
  const items = after !== undefined && few.length === FEW_LETTERS ? await newer(MOST_LETTERS) : few;
  return { process: '', items, next: null };
}

function letterRow({ id, deadLetteredAt, reason, detail, partition, offset }: DeadLetter): Row {
  return {
    outcome: 'dead-lettered',
    key: `l${id}`,
    at: deadLetteredAt,
    href: toDeadLetter(id),
    event: {},
    detail: `${reason}: ${detail} (partition ${partition}, offset ${offset})`,
  };
}
