import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ApiError } from '../../errors.ts';

/** A path as it appears in requests, and the methods of its routes. */
interface KnownPath {
  url: string;
  pattern: RegExp;
  methods: string[];
}

/** Fills as routes are added. */
export function collectKnownPaths(api: FastifyInstance): KnownPath[] {
  const paths: KnownPath[] = [];
  api.addHook('onRoute', ({ url, method }) => {
    // The CORS preflight handler, which matches any path.
    if (url === '*') return;
    const pattern = new RegExp(`^${url.replaceAll(/:\w+/g, '[^/]+')}$`);
    paths.push({ url, pattern, methods: [method].flat() });
  });
  return paths;
}

/** 404, or 405 with the allowed methods in `Allow`. */
export function unrouted(
  request: FastifyRequest,
  reply: FastifyReply,
  paths: readonly KnownPath[],
): ApiError {
  const path = request.url.split('?', 1)[0]!;
  const exact = paths.filter(({ url }) => url === path);
  const matching = exact.length > 0 ? exact : paths.filter(({ pattern }) => pattern.test(path));
  const methods = matching.flatMap((known) => known.methods);
  if (methods.length === 0) return new ApiError('endpoint_not_found');
  reply.header('Allow', [...new Set(methods)].sort().join(', '));
  return new ApiError('method_not_allowed');
}
