import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { ApiError } from '../errors.ts';
import { PAGE_POLICY } from './openapi/documents.ts';

/** Where `npm run build` puts the page. */
const PAGE_FOLDER = join(import.meta.dirname, '../../dist/dashboard');
const FILE_NAME = /^[\w-]+\.(js|css|svg)$/;

/** The page at `/`. Its files need no key; the data it shows does, and the page asks for one. */
export async function pageRoutes(api: FastifyInstance): Promise<void> {
  api.register(fastifyStatic, { root: PAGE_FOLDER, serve: false, preCompressed: true });

  api.get('/', { schema: { hide: true } }, async (_request, reply) => {
    if (!existsSync(join(PAGE_FOLDER, 'index.html'))) {
      throw new ApiError('endpoint_not_found', {
        message: 'The page is not built: run "npm run build"',
      });
    }
    return secured(reply).sendFile('index.html', { cacheControl: false });
  });

  // Their names change with their content.
  api.get<{ Params: { file: string } }>(
    '/assets/:file',
    { schema: { hide: true } },
    async (request, reply) => {
      const path = `assets/${request.params.file}`;
      if (!FILE_NAME.test(request.params.file) || !existsSync(join(PAGE_FOLDER, path))) {
        throw new ApiError('endpoint_not_found');
      }
      return secured(reply).sendFile(path, { immutable: true, maxAge: '365d' });
    },
  );
}

function secured(reply: FastifyReply): FastifyReply {
  return reply
    .header('Content-Security-Policy', PAGE_POLICY)
    .header('X-Content-Type-Options', 'nosniff')
    .header('Referrer-Policy', 'no-referrer')
    .header('Cache-Control', 'no-cache');
}
