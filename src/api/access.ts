import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type ApiKey, type ApiKeys, allows, type Scope } from '../api-keys.ts';
import { FootfallError } from '../errors.ts';

export interface AccessOptions {
  /** None: whoever reaches this address may do everything. */
  apiKeys: ApiKeys | undefined;
  /** Web origins whose pages may call without a key of their own. */
  origins: readonly string[];
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a key must allow; none: anyone may. */
    scope?: Scope;
  }
  interface FastifyRequest {
    /** Whose key it came with; none where keys are switched off, or not needed. */
    caller: ApiKey | undefined;
  }
}

/** Lets a request in by its key and its origin. Must come before anything that costs. */
export function guard(api: FastifyInstance, { apiKeys, origins }: AccessOptions): void {
  api.decorateRequest('caller', undefined);
  api.addHook('onRequest', (request, reply, done) => {
    const { scope } = request.routeOptions.config;
    if (scope === undefined) return done();
    try {
      admitCaller(request, reply, scope, { apiKeys, origins });
      done();
    } catch (error) {
      done(error as Error);
    }
  });
}

/** @throws FootfallError `unauthorized`, `forbidden` or `origin_not_allowed` */
function admitCaller(
  request: FastifyRequest,
  reply: FastifyReply,
  scope: Scope,
  { apiKeys, origins }: AccessOptions,
): void {
  request.caller = apiKeys && identify(request, apiKeys, scope);
  if (apiKeys && request.caller === undefined) {
    reply.header('WWW-Authenticate', 'Bearer realm="footfall", Basic realm="footfall"');
    throw new FootfallError('unauthorized');
  }
  if (request.caller && !allows(request.caller, scope)) {
    throw new FootfallError('forbidden', { message: `This API key does not allow to ${scope}` });
  }
  checkOrigin(request, request.caller?.origins ?? origins);
}

function identify(request: FastifyRequest, apiKeys: ApiKeys, scope: Scope): ApiKey | undefined {
  const given = presentedKey(request);
  if (given !== undefined) return apiKeys.find(given);
  // A beacon cannot carry a header. Keys in addresses end up in the logs of others, so only one that can do nothing
  // else than send is taken from there.
  const { key } = request.query as Record<string, unknown>;
  const found = scope === 'write' && typeof key === 'string' ? apiKeys.find(key) : undefined;
  return found?.scopes.every((one) => one === 'write') ? found : undefined;
}

function presentedKey({ headers }: FastifyRequest): string | undefined {
  const own = headers['x-api-key'];
  if (typeof own === 'string' && own !== '') return own;
  const [scheme = '', credentials = ''] = (headers.authorization ?? '').split(' ', 2);
  if (scheme.toLowerCase() === 'bearer') return credentials;
  if (scheme.toLowerCase() !== 'basic') return undefined;
  return Buffer.from(credentials, 'base64').toString('utf8').split(':', 1)[0];
}

/** A page of another site must not use what this browser can reach, not even blindly. */
function checkOrigin({ headers }: FastifyRequest, allowed: readonly string[]): void {
  const { origin, host } = headers;
  if (origin === undefined || allowed.includes(origin)) return;
  if (origin === `http://${host}` || origin === `https://${host}`) return;
  throw new FootfallError('origin_not_allowed');
}
