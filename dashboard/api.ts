// Requests to the service this page came from.
import { signal } from '@preact/signals';

const KEY_ITEM = 'footfall-key';

/** The API key in use; kept for this tab only. */
export const apiKey = signal(sessionStorage.getItem(KEY_ITEM) ?? '');
/** Why a key is asked for; undefined while none is needed. */
export const keyWanted = signal<string | undefined>(undefined);

export function useKey(key: string): void {
  sessionStorage.setItem(KEY_ITEM, key);
  apiKey.value = key;
  keyWanted.value = undefined;
}

/** What the service said instead of what was asked for. */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** @throws ApiError for any answer but 2xx; TypeError when there is none */
export async function request(path: string, options: RequestInit = {}): Promise<Response> {
  const headers = new Headers(options.headers);
  if (apiKey.value !== '') headers.set('Authorization', `Bearer ${apiKey.value}`);
  const response = await fetch(path, { ...options, headers });
  if (response.ok || (path === '/readyz' && response.status === 503)) return response;
  const { error, errors } = (await response.json().catch(() => ({}))) as {
    error?: string;
    errors?: string[];
  };
  const message = errors?.join('; ') ?? error ?? `The service answered ${response.status}`;
  if (response.status === 401) {
    keyWanted.value = apiKey.value === '' ? 'This service asks for an API key.' : 'This key is not known.';
  }
  throw new ApiError(response.status, message);
}

export async function get<T>(path: string): Promise<T> {
  return (await (await request(path)).json()) as T;
}

export async function post<T>(path: string, body: string): Promise<{ answer: T; headers: Headers }> {
  const response = await request(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body,
  });
  return { answer: (await response.json()) as T, headers: response.headers };
}

/** Requests to record events that this instance has refused since it began, by error code, most first. */
export async function refused(): Promise<[code: string, requests: number][]> {
  const text = await (await request('/metrics')).text();
  return [...text.matchAll(/^events_rejected_total\{code="(\w+)"\} (\d+)$/gm)]
    .map(([, code, requests]): [string, number] => [code!, Number(requests)])
    .sort((a, b) => b[1] - a[1]);
}

/** One sentence for a person. */
export function explain(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  return 'The service cannot be reached. This page goes on by itself when it is back.';
}

export interface UserEvent {
  eventId: string;
  userId: string;
  eventType: string;
  timestamp: string;
  payload: Record<string, unknown>;
}

export interface ValueCount {
  value: string;
  events: number;
}

export interface Stats {
  total: number;
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
  stored: number;
  duplicates: number;
  deadLettered: number;
  lost: number;
}

export interface Group {
  group: string;
  topic: string;
  logReachable: boolean;
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
