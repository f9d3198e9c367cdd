// Requests to the service this page came from.
import { signal } from '@preact/signals';
import { asText, members } from './exact-json.ts';

const KEY_ITEM = 'footfall-key';

/** After this a service that is frozen, or a network that is gone, counts as not answering. */
const PATIENCE_MS = 10_000;

/** The API key in use; kept for this tab only. */
export const apiKey = signal(sessionStorage.getItem(KEY_ITEM) ?? '');
/** Why a key is asked for; undefined while none is. */
export const keyWanted = signal<string | undefined>(undefined);
/** The key, or the lack of one, for which the reader has closed the question. */
let declined: string | undefined;

/** @param key empty: forgets the one in use */
export function useKey(key: string): void {
  if (key === '') sessionStorage.removeItem(KEY_ITEM);
  else sessionStorage.setItem(KEY_ITEM, key);
  declined = undefined;
  keyWanted.value = undefined;
  apiKey.value = key;
}

/** Asks for a key because somebody wants to give one. */
export function askForKey(): void {
  keyWanted.value = apiKey.value === '' ? 'No key is in use in this tab.' : 'A key is in use in this tab.';
}

export function declineKey(): void {
  declined = apiKey.value;
  keyWanted.value = undefined;
}

/** What the service said instead of what was asked for. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;

  constructor(status: number, headers: Headers, message: string) {
    super(message);
    this.status = status;
    this.code = headers.get('Error-Code') ?? '';
    this.retryable = headers.get('Error-Retryable') === 'true';
  }
}

/** @throws ApiError for any answer but 2xx; TypeError or a DOMException when there is none in ten seconds */
export async function request(path: string, options: RequestInit = {}): Promise<Response> {
  const headers = new Headers(options.headers);
  const key = apiKey.value;
  if (key !== '') headers.set('Authorization', `Bearer ${key}`);
  const signal = options.signal ?? AbortSignal.timeout(PATIENCE_MS);
  const response = await fetch(path, { ...options, headers, signal });
  if (response.ok) return response;
  const { error, errors } = (await response.json().catch(() => ({}))) as {
    error?: string;
    errors?: string[];
  };
  const message = errors?.join('; ') ?? error ?? `The service answered ${response.status}`;
  // An answer that took long may be to a key that has been changed meanwhile.
  if (response.status === 401 && key === apiKey.value && key !== declined) {
    keyWanted.value = key === '' ? 'This service asks for an API key.' : 'This key is not known.';
  }
  throw new ApiError(response.status, response.headers, message);
}

export async function get<T>(path: string): Promise<T> {
  return (await (await request(path)).json()) as T;
}

export async function post<T>(path: string, body: string): Promise<{ answer: T; headers: Headers }> {
  const response = await request(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body,
    // As long as the service itself tries.
    signal: AbortSignal.timeout(6 * PATIENCE_MS),
  });
  return { answer: (await response.json()) as T, headers: response.headers };
}

/** What came in and was not recorded, of this instance since it started. */
export interface Intake {
  /** Milliseconds since 1970. */
  since: number;
  duplicates: number;
  rejected: number;
  mostRejected: string | undefined;
}

export async function readIntake(): Promise<Intake> {
  const text = await (await request('/metrics')).text();
  const rejected = [...text.matchAll(/^footfall_events_rejected_total\{code="(\w+)"\} (\d+)$/gm)]
    .map(([, code, requests]): [string, number] => [code!, Number(requests)])
    .filter(([, requests]) => requests > 0)
    .sort((a, b) => b[1] - a[1]);
  return {
    since: Number(/^process_start_time_seconds(?:\{.*\})? (\S+)$/m.exec(text)?.[1]) * 1000,
    duplicates: Number(/^footfall_events_duplicate_total\{kind="same"\} (\d+)$/m.exec(text)?.[1] ?? 0),
    rejected: rejected.reduce((sum, [, requests]) => sum + requests, 0),
    mostRejected: rejected[0]?.[0],
  };
}

/** One sentence for a person. */
export function explain(error: unknown): string {
  if (!(error instanceof ApiError)) return 'The service cannot be reached. This page tries again by itself.';
  if (error.code === 'store_unavailable') {
    return 'The store cannot be read, so this is not known now. What was accepted is kept, and stored later.';
  }
  if (error.code === 'internal_error') return 'The service failed to answer this; its log says why.';
  if (error.code === 'forbidden') return `${error.message}. Use another key.`;
  return error.message;
}

export interface UserEvent {
  eventId: string;
  userId: string;
  eventType: string;
  timestamp: string;
  /** Its JSON, as it was written. */
  payload: string;
  /** The whole event, likewise. */
  json: string;
}

/** @param json an event as the service sends it */
export function readEvent(json: string): UserEvent {
  const found = new Map(members(json));
  const text = (name: string) => asText(found.get(name) ?? '');
  return {
    eventId: text('eventId'),
    userId: text('userId'),
    eventType: text('eventType'),
    timestamp: text('timestamp'),
    payload: found.get('payload') ?? '{}',
    json,
  };
}

export interface ValueCount {
  value: string;
  events: number;
}

export interface Stats {
  total: number;
  interval: 'hour' | 'day';
  totals: { eventType: string; events: number; firstHour: string; lastHour: string }[];
  counts: { start: string; events: Record<string, number> }[];
  activeUsers: { day: string; users: number }[];
  day: string;
  topUsers: ValueCount[];
  topValues: { member: string; values: ValueCount[] }[];
}

export interface Partition {
  partition: number;
  position: string | null;
  end: string | null;
  lag: number | null;
  /** When the oldest record that is not stored was written. */
  oldestWaiting: string | null;
  stored: number;
  duplicates: number;
  deadLettered: number;
  lost: number;
}

export interface Group {
  group: string;
  topic: string;
  logReachable: boolean;
  /** The processes that read; null while the log is unreachable. */
  members: { id: string; host: string; partitions: number[] }[] | null;
  partitions: Partition[];
}

export interface DeadLetter {
  id: string;
  topic: string;
  partition: number;
  offset: string;
  reason: string;
  detail: string;
  attempt: number;
  deadLetteredAt: string;
  redrivenAt: string | null;
}

type Bytes = { text: string } | { base64: string } | null;

export interface DeadLetterRecord extends DeadLetter {
  record: { key: Bytes; value: Bytes; headers: { name: string; value: Bytes }[] } | null;
}

interface Dependency {
  ok: boolean;
  reason?: string;
}

export interface Readiness {
  status: 'ready' | 'not ready';
  log: Dependency;
  store: Dependency;
  consumer: Dependency;
}
