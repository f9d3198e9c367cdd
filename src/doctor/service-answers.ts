// In: an address. Out: what the service there says of itself, or why nothing does.
import { describeCause, errorsIn } from '../describe-cause.ts';
import { fetchPinned } from './pinned-fetch.ts';

/** `/readyz` itself asks its dependencies for up to two seconds. */
const TIMEOUT_MS = 3500;

export interface ServiceAddress {
  url: string;
  key: string | undefined;
  /** File with the certificate that the service there has; not given: one of a known authority, for this name. */
  certificate?: string | undefined;
}

interface Dependency {
  ok: boolean;
  reason?: string;
}

export interface Readiness {
  status: string;
  log: Dependency;
  store: Dependency;
  consumer: Dependency;
}

export interface Group {
  group: string;
  topic: string;
  members: { id: string; partitions: number[] }[] | null;
  partitions: {
    partition: number;
    lag: number | null;
    oldestWaiting: string | null;
    heldBack: number;
    lost: number;
    unaccounted: number;
  }[];
}

/** A running Footfall. */
export interface ServiceAnswers {
  state: 'answers';
  readiness: Readiness;
  health: unknown;
  /** Undefined where the key, or its lack, does not allow to ask, or the store is away. */
  groups: Group[] | undefined;
  metrics: string | undefined;
  /** Paths that need a key, or another one. */
  refused: string[];
}

/**
 * `absent`: nothing listens. `silent`: something takes connections and does not answer. `foreign`: something else than
 * Footfall answers. `refused`: a Footfall does, and not to us. `untrusted`: its certificate is not. `other_certificate`: it is
 * not that of the settings. `expired`: it was valid until lately.
 */
export interface NoService {
  state: 'absent' | 'silent' | 'foreign' | 'refused' | 'untrusted' | 'other_certificate' | 'expired';
  why: string;
}

/** Codes of an address where nothing can have been asked. */
export const ABSENT = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'];
const EXPIRED = 'CERT_HAS_EXPIRED';
/** Codes of a certificate that is not trusted. */
export const UNTRUSTED = /CERT|SELF_SIGNED|ALTNAME|UNABLE_TO_VERIFY/;

/** Two rounds of questions of three and a half seconds each at most. */
export async function askService(service: ServiceAddress): Promise<ServiceAnswers | NoService> {
  let first: Answer;
  try {
    first = await ask(service, '/readyz');
  } catch (error) {
    return { state: stateAfter(error, service), why: describeCause(error) };
  }
  const readiness = parsed(first.text) as Partial<Readiness & { error: string }> | undefined;
  if (readiness?.log === undefined || readiness.store === undefined || readiness.consumer === undefined) {
    if (!first.isFootfall) return { state: 'foreign', why: `/readyz is answered with ${first.status}` };
    return { state: 'refused', why: readiness?.error ?? `${first.status}` };
  }
  return { ...(await askMore(service)), state: 'answers', readiness: readiness as Readiness };
}

async function askMore(service: ServiceAddress): Promise<Omit<ServiceAnswers, 'state' | 'readiness'>> {
  const paths = ['/health', '/consumer-groups', '/metrics'] as const;
  const [health, groups, metrics] = await Promise.all(
    paths.map((path) => ask(service, path).catch(() => undefined)),
  );
  const answered = [health, groups, metrics];
  return {
    health: parsed(health?.text ?? ''),
    groups: groups?.status === 200 ? (parsed(groups.text) as { groups: Group[] }).groups : undefined,
    metrics: metrics?.status === 200 ? metrics.text : undefined,
    refused: paths.filter((_path, at) => [401, 403].includes(answered[at]?.status ?? 0)),
  };
}

interface Answer {
  status: number;
  isFootfall: boolean;
  text: string;
}

async function ask({ url, key, certificate }: ServiceAddress, path: string): Promise<Answer> {
  const address = url.replace(/\/$/, '') + path;
  const request = {
    headers: key === undefined ? {} : { Authorization: `Bearer ${key}` },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  };
  const response =
    certificate === undefined
      ? await fetch(address, { ...request, redirect: 'manual' })
      : await fetchPinned(address, certificate, request);
  // Every error of Footfall has this header.
  const isFootfall = response.headers.has('Error-Code');
  return { status: response.status, isFootfall, text: await response.text() };
}

function stateAfter(error: unknown, { url, certificate }: ServiceAddress): NoService['state'] {
  const errors = [...errorsIn(error)];
  const codes = errors.map((one) => String((one as { code?: unknown }).code ?? ''));
  if (errors.some(({ name }) => name === 'TimeoutError')) return 'silent';
  // Of PORT=0, which is any free port, and of one that is wrong.
  if (errors.some(({ message }) => /bad port|Invalid URL/.test(message)) || URL.parse(url)?.port === '0')
    return 'absent';
  if (codes.some((code) => ABSENT.includes(code))) return 'absent';
  if (codes.includes(EXPIRED)) return 'expired';
  if (codes.some((code) => UNTRUSTED.test(code)))
    return certificate === undefined ? 'untrusted' : 'other_certificate';
  return 'foreign';
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) ?? undefined;
  } catch {
    return undefined;
  }
}
