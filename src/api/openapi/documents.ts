import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance, FastifySchema } from 'fastify';
import packageJson from '../../../package.json' with { type: 'json' };
import type { ApiKeys } from '../../access/api-keys.ts';
import type { Catalog } from '../../events/catalog.ts';
import { asyncApiDocument } from './asyncapi.ts';
import { components } from './components.ts';
import { answers, anyObject, json } from './schemas.ts';

const DESCRIPTION = `Events come in over HTTP, go to Apache Kafka, are processed effectively once, and can be
queried. An answer of 2xx means durable. Every error has a code (\`Error-Code\`) and says whether sending the same again
can help (\`Error-Retryable\`, \`Retry-After\`).`;

const LICENSE = { name: packageJson.license, identifier: packageJson.license };

/** In the order shown on the page: what a newcomer looks for comes first. */
const TAGS = [
  { name: 'Events', description: 'Record events, and look what became of one.' },
  { name: 'Reading', description: 'Stored events, as they come, and counts of them.' },
  { name: 'Other formats', description: 'Events as CloudEvents and as messages of Segment.' },
  {
    name: 'Dead letters',
    description: 'Records that are not valid events: look at them, and send them back.',
  },
  { name: 'Operations', description: 'Whether it works, and how far processing is.' },
  { name: 'Documents', description: 'What describes this service to programs.' },
];

/** The page is served completely by this service and must not load anything from elsewhere. */
export const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const FRAMEWORK_METHODS = ['HEAD', 'OPTIONS'];

const SECURITY_SCHEMES = {
  bearer: { type: 'http', scheme: 'bearer', description: 'An API key.' },
  header: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
  basic: { type: 'http', scheme: 'basic', description: 'An API key as the user; no password.' },
} as const;
const TICKET_SCHEME = {
  ticket: {
    type: 'apiKey',
    in: 'query',
    name: 'ticket',
    description: 'Of `POST /events/stream/tickets`.',
  },
} as const;

const OPENAPI: FastifySchema = {
  operationId: 'getOpenApi',
  tags: ['Documents'],
  summary: 'This document',
  response: answers.open({ 200: json('OpenAPI 3.1.', anyObject()) }),
};
const ASYNCAPI: FastifySchema = {
  operationId: 'getAsyncApi',
  tags: ['Documents'],
  summary: 'The topics and what is in them',
  response: answers.open({ 200: json('AsyncAPI 3.0.', anyObject()) }),
};

export interface DocumentRoutesOptions {
  catalog: Catalog;
  apiKeys: ApiKeys | undefined;
  /** The topic of events. */
  topic: string;
}

/** OpenAPI at `/openapi.json` and as a page at `/docs`, AsyncAPI at `/asyncapi.json`. Must come before the routes. */
export function documentRoutes(
  api: FastifyInstance,
  { catalog, apiKeys, topic }: DocumentRoutesOptions,
): void {
  // The document is open to anyone. Where reading event types takes a key, it does not list them.
  const eventTypes = apiKeys === undefined ? catalog.names : undefined;
  for (const [name, schema] of Object.entries(components(eventTypes)))
    api.addSchema({ $id: name, ...schema });
  const keys = Object.keys(SECURITY_SCHEMES).map((name) => ({ [name]: [] }));
  // The code validates bodies and queries itself; these schemas only feed the document.
  api.setValidatorCompiler(() => () => true);
  api.setSerializerCompiler(() => (body) => JSON.stringify(body));
  api.addHook('onRoute', (route) => {
    const [method] = [route.method].flat();
    if (FRAMEWORK_METHODS.includes(method!) || route.url.startsWith('/docs') || route.schema?.hide) return;
    if (route.schema?.operationId === undefined)
      throw new Error(`no schema says what ${method} ${route.url} is`);
    const { scope, takesTicket } = route.config ?? {};
    const ways = takesTicket ? [...keys, { ticket: [] }] : keys;
    route.schema = { ...route.schema, security: apiKeys && scope ? ways : [] };
  });
  api.register(swagger, {
    // Uses the schema names of `components.ts`.
    refResolver: { buildLocalReference: ({ $id }) => String($id) },
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Footfall', version: packageJson.version, description: DESCRIPTION, license: LICENSE },
      // Relative to wherever this document was loaded from.
      servers: [{ url: '/' }],
      tags: TAGS,
      ...(apiKeys && { components: { securitySchemes: { ...SECURITY_SCHEMES, ...TICKET_SCHEME } } }),
    },
  });
  api.register(async (pages) => {
    pages.get('/openapi.json', { schema: OPENAPI }, async () => api.swagger());
    pages.get('/asyncapi.json', { schema: ASYNCAPI }, async () =>
      asyncApiDocument(topic, packageJson.version),
    );
  });
  api.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: PAGE_POLICY,
    uiHooks: {
      onRequest(_request, reply, done) {
        reply.header('X-Content-Type-Options', 'nosniff').header('Referrer-Policy', 'no-referrer');
        done();
      },
    },
    theme: { title: 'Footfall: the API' },
    logo: { type: 'image/svg+xml', content: LOGO, href: '/docs' },
    uiConfig: { docExpansion: 'list', defaultModelsExpandDepth: -1, validatorUrl: null },
  });
}

const LOGO = Buffer.from(
  '<svg xmlns="http://www.w3.org/2000/svg" width="130" height="30"><text x="0" y="22" font-family="sans-serif" font-size="20" fill="#fff">Footfall</text></svg>',
);
