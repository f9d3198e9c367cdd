// In: the options --url and --key. Out: requests to a running service, and errors that say what to do next.
import { type Command, Option } from 'commander';
import { systemClock } from '../clock.ts';
import { withEnvFile } from '../config/config.ts';
import { describeCause } from '../describe-cause.ts';
import { fetchPinned } from '../doctor/pinned-fetch.ts';
import { ABSENT, UNTRUSTED } from '../doctor/service-answers.ts';
import type { Context } from './context.ts';

export interface ServiceOptions {
  url: string;
  key?: string;
  /** The service with the settings here, where it serves HTTPS, and the file with its certificate. */
  own?: { url: string; certificate: string };
}

/** The file of the certificate cannot be read. */
const UNREADABLE = ['ENOENT', 'EACCES'];

/** The connection was refused, or broke before the whole answer was there. */
export class NoAnswerError extends Error {
  /** Whether the request may have had an effect. */
  readonly wasSent: boolean;

  constructor(url: string, cause: Error) {
    const { code = '' } = (cause.cause ?? {}) as { code?: string };
    const isRefusedHere = UNTRUSTED.test(code) || UNREADABLE.includes(code);
    super(
      isRefusedHere
        ? `Nothing was sent to ${url}: ${describeCause(cause)}.`
        : `Nothing answers on ${url} (${describeCause(cause)}). Start Footfall first, or say where it is with --url.`,
      { cause },
    );
    // Whoever cannot be reached has recorded nothing.
    this.wasSent = !isRefusedHere && !ABSENT.includes(code);
  }
}

/** Adds the options of every command that talks to a running service. */
export function withServiceOptions(command: Command, { env }: Context): Command {
  const given = withEnvFile(env);
  const certificate = given.HTTPS_CERT_FILE;
  const own = `${certificate ? 'https' : 'http'}://127.0.0.1:${given.PORT || 3000}`;
  const url = given.FOOTFALL_URL || own;
  const key = new Option('--key <key>', 'API key, where keys are needed');
  if (given.FOOTFALL_KEY) key.default(given.FOOTFALL_KEY, 'FOOTFALL_KEY');
  const address = new Option('--url <url>', 'where Footfall answers').default(
    url,
    given.FOOTFALL_URL ? 'FOOTFALL_URL' : url,
  );
  if (certificate) command.setOptionValue('own', { url: own, certificate });
  return command.addOption(address).addOption(key);
}

/** Neither is repeated in what is said: a key may be in both. @throws Error */
export function checkService({ url, key = 'x' }: ServiceOptions): void {
  const address = URL.parse(url);
  if (address === null || !/^https?:$/.test(address.protocol)) {
    throw new Error('--url (or FOOTFALL_URL) must be an address such as http://127.0.0.1:3000.');
  }
  if (address.username !== '' || address.password !== '') {
    throw new Error('Give the key with --key or FOOTFALL_KEY, not in the address.');
  }
  if (!/^[\x21-\x7e]+$/.test(key)) {
    throw new Error('The key has characters that no key has: look at --key or FOOTFALL_KEY.');
  }
}

/**
 * Sends a request, GET without a body.
 *
 * @returns the response, whatever its status. @throws Error if there is none, or the key is not enough
 */
export async function call(
  service: ServiceOptions,
  path: string,
  { headers = {}, ...init }: { method?: string; body?: string; headers?: Record<string, string> } = {},
): Promise<Response> {
  checkService(service);
  const { url, key, own } = service;
  const authorization = key === undefined ? undefined : { Authorization: `Bearer ${key}` };
  const address = url.replace(/\/$/, '') + path;
  const request = { ...init, headers: { ...headers, ...authorization } };
  const answering =
    own?.url === url ? fetchPinned(address, own.certificate, request) : fetch(address, request);
  const response = await answering.catch((error: Error) => {
    throw new NoAnswerError(url, error);
  });
  if (response.status === 401 || response.status === 403) {
    throw new Error(
      `${url} refuses this: ${await messageOf(response)}. Give an API key that allows it with --key or FOOTFALL_KEY.`,
    );
  }
  return response;
}

/** As `call`. @throws Error for every status but 2xx, too */
export async function callSuccessfully(
  service: ServiceOptions,
  path: string,
  init?: Parameters<typeof call>[2],
): Promise<Response> {
  const response = await call(service, path, init);
  if (response.ok) return response;
  throw await failureOf(service, response);
}

export async function getJson<Answer>(service: ServiceOptions, path: string): Promise<Answer> {
  return (await (await callSuccessfully(service, path)).json()) as Answer;
}

/** Milliseconds until a refused request is worth sending again: a number of seconds, a date, or a second. */
export function retryAfterMs({ headers }: Response): number {
  const text = headers.get('Retry-After') ?? '';
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - systemClock.date().getTime();
  return ms > 0 ? ms : 1000;
}

export async function failureOf({ url }: ServiceOptions, response: Response): Promise<Error> {
  return new Error(`${url} answered ${response.status}: ${await messageOf(response)}`);
}

/** What an error response says, for people. */
async function messageOf(response: Response): Promise<string> {
  return messageIn(await response.text());
}

export function messageIn(text: string): string {
  try {
    const { error, errors } = JSON.parse(text) as { error?: string; errors?: string[] };
    return error ?? errors?.join('; ') ?? text;
  } catch {
    return text;
  }
}
