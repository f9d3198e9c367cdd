import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type ApiKey, type ApiKeys, allows, type Scope } from '../../access/api-keys.ts';
import { keyOfTicket } from '../../access/stream-tickets.ts';
import type { Clock } from '../../clock.ts';
import { ApiError } from '../../errors.ts';
import { hostCheck } from './hosts.ts';

export interface AccessOptions {
  /** Undefined: whoever reaches this address may do everything. */
  apiKeys: ApiKeys | undefined;
  /** Web origins whose pages may call without a key. */
  origins: readonly string[];
  /** Host names and addresses of this service besides those of this machine; checked if no keys are needed. */
  hosts: readonly string[];
  clock: Pick<Clock, 'date'>;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The permission required; undefined: anyone may call. */
    scope?: Scope;
    /** Whether `?ticket=` is accepted instead of a key. */
    takesTicket?: boolean;
  }
  interface FastifyRequest {
    /** The owner of the request's key; undefined if keys are disabled or not needed. */
    caller: ApiKey | undefined;
  }
}

/** Authenticates a request by key and origin. Must run before anything expensive. */
export function registerAuthentication(api: FastifyInstance, options: AccessOptions): void {
  const { apiKeys } = options;
  const checkHost = hostCheck(options.hosts);
  api.decorateRequest('caller', undefined);
  api.addHook('onRequest', (request, reply, done) => {
    const { scope } = request.routeOptions.config;
    if (scope === undefined) return done();
    protect(reply, apiKeys !== undefined);
    try {
      if (apiKeys === undefined) checkHost(request.headers.host);
      authorize(request, reply, scope, options);
      done();
    } catch (error) {
      done(error as Error);
    }
  });
}

const DEEDS: Record<Scope, string> = {
  write: 'writing',
  read: 'reading',
  metrics: 'reading metrics',
  admin: 'administration',
};

const TICKET_REFUSED =
  'This ticket has expired, or its key is gone or may not read: get another from POST /events/stream/tickets';

/** @throws ApiError `unauthorized`, `forbidden` or `origin_not_allowed` */
function authorize(request: FastifyRequest, reply: FastifyReply, scope: Scope, options: AccessOptions): void {
  const { apiKeys, origins } = options;
  request.caller = apiKeys && identify(request, apiKeys, scope, options);
  if (apiKeys && request.caller === undefined) throw unauthorized(request, reply);
  if (request.caller && !allows(request.caller, scope)) {
    throw new ApiError('forbidden', { message: `This API key does not allow ${DEEDS[scope]}` });
  }
  checkOrigin(request, request.caller?.origins ?? origins);
}

function identify(
  request: FastifyRequest,
  apiKeys: ApiKeys,
  scope: Scope,
  { clock }: AccessOptions,
): ApiKey | undefined {
  const given = presentedKey(request);
  if (given !== undefined) return apiKeys.find(given);
  const ticket = presentedTicket(request);
  if (ticket !== undefined) return keyOfTicket(apiKeys, ticket, clock.date().getTime());
  const { key } = request.query as Record<string, unknown>;
  // A beacon cannot carry headers. Keys in URLs end up in other parties' logs, so only a key that can do nothing but
  // send is accepted there.
  const found = scope === 'write' && typeof key === 'string' ? apiKeys.find(key) : undefined;
  return found?.scopes.every((one) => one === 'write') ? found : undefined;
}

function unauthorized(request: FastifyRequest, reply: FastifyReply): ApiError {
  if (presentedKey(request) === undefined && presentedTicket(request) !== undefined) {
    // Does not offer basic auth: browsers would prompt whoever looks at the page for a password.
    reply.header('WWW-Authenticate', 'Bearer realm="footfall"');
    return new ApiError('unauthorized', { message: TICKET_REFUSED });
  }
  reply.header('WWW-Authenticate', 'Bearer realm="footfall", Basic realm="footfall"');
  return new ApiError('unauthorized');
}

function presentedTicket({ query, routeOptions }: FastifyRequest): string | undefined {
  const { ticket } = query as Record<string, unknown>;
  return routeOptions.config.takesTicket && typeof ticket === 'string' ? ticket : undefined;
}

function presentedKey({ headers }: FastifyRequest): string | undefined {
  const own = headers['x-api-key'];
  if (typeof own === 'string' && own !== '') return own;
  const [, scheme = '', credentials = ''] = /^(\S+) +(\S+) *$/.exec(headers.authorization ?? '') ?? [];
  if (scheme.toLowerCase() === 'bearer') return credentials;
  if (scheme.toLowerCase() !== 'basic') return undefined;
  return Buffer.from(credentials, 'base64').toString('utf8').split(':', 1)[0];
}

/** Protected data belongs to the caller: no other site may embed it, and no cache may serve it to anybody else. */
function protect(reply: FastifyReply, needsKey: boolean): void {
  reply.header('Cross-Origin-Resource-Policy', 'same-origin');
  if (needsKey) addVary(reply, 'Authorization, X-API-Key');
}

/** Adds to the request headers that a response varies by. */
export function addVary(reply: FastifyReply, names: string): void {
  const known = reply.getHeader('Vary');
  reply.header('Vary', known === undefined ? names : `${known}, ${names}`);
}

/** A page of another site must not use this browser's access, not even blindly. */
function checkOrigin({ headers }: FastifyRequest, allowed: readonly string[]): void {
  const { origin, host } = headers;
  // Set by browsers and out of reach of pages; for images, scripts and links it is the only clue.
  const site = headers['sec-fetch-site'];
  if (origin === undefined ? site !== 'cross-site' : allowed.includes(origin)) return;
  // Works behind a proxy that changes `Host` too.
  if (site === 'same-origin' || origin === `http://${host}` || origin === `https://${host}`) return;
  throw new ApiError('origin_not_allowed');
}
