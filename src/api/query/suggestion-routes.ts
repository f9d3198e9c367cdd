import type { FastifyInstance, FastifyRequest, FastifySchema } from 'fastify';
import Type from 'typebox';
import type { Catalog } from '../../events/catalog.ts';
import { MAX_ID_LENGTH } from '../../events/event.ts';
import { payloadDimension, payloadPath } from '../../events/payload-path.ts';
import { catalogProperties } from '../../events/payload-properties.ts';
import {
  knownValues,
  LATEST_EVENTS,
  latestProperties,
  latestValues,
  type Suggestions,
} from '../../query/suggestions.ts';
import { type EventStore, TYPE_DIMENSION, USER_DIMENSION } from '../../store/event-store.ts';
import { QueryReader, type QueryString } from '../openapi/query-reader.ts';
import { count } from '../openapi/reading-schemas.ts';
import { answers, json, ref } from '../openapi/schemas.ts';

const LIMITS = { least: 1, most: 100, fallback: 10 };
/** The latest events as text and, one at a time, parsed. */
const SUGGESTIONS_BYTES = 3_000_000;

const QUERY = Type.Object({
  of: Type.String({
    pattern: `^(${USER_DIMENSION}|${TYPE_DIMENSION}|property|payload(\\.[^.]+)+)$`,
    description: '`userId`, `eventType`, `property` (names of payload members) or `payload.MEMBER`.',
  }),
  prefix: Type.Optional(
    Type.String({
      maxLength: MAX_ID_LENGTH,
      pattern: '^[^\\u0000]*$',
      description: 'What the suggestions start with; case-sensitive.',
    }),
  ),
  limit: count(LIMITS),
});

const SUGGEST: FastifySchema = {
  operationId: 'suggest',
  tags: ['Reading'],
  summary: 'Suggestions for a search box',
  description: `Users, event types and counted values of payloads (\`COUNTED_PAYLOAD_PROPERTIES\`): all there have ever been, in the order of their bytes in UTF-8, so that typing on reaches each. Values of other members, and names of members: of the latest ${LATEST_EVENTS} events (fewer if they are large; \`latestEvents\` says how many), the most frequent first; names also of the schemas in the catalog. Costs the same however many events are stored. Texts of more than ${MAX_ID_LENGTH} characters are left out.`,
  querystring: QUERY,
  response: answers.read(
    { 200: json('Suggestions that start with `prefix`.', ref('Suggestions')) },
    'invalid_query',
    'store_unavailable',
  ),
};

export interface SuggestionRoutesOptions {
  store: EventStore;
  catalog: Catalog;
  /** Payload members whose values are counted. */
  countedProperties: readonly string[];
}

/** Suggestions for searching. */
export async function suggestionRoutes(
  api: FastifyInstance,
  { store, catalog, countedProperties }: SuggestionRoutesOptions,
): Promise<void> {
  const described = catalogProperties(catalog);
  const kept = new Set([USER_DIMENSION, TYPE_DIMENSION, ...countedProperties.map(payloadDimension)]);

  api.get<{ Querystring: QueryString }>(
    '/events/suggestions',
    { schema: SUGGEST, config: { reservesBytes: SUGGESTIONS_BYTES, scope: 'read' } },
    async (request): Promise<Suggestions> => {
      const { of, ...typed } = readQuery(request);
      if (kept.has(of)) return knownValues(store, of, typed);
      const path = payloadPath(of);
      return path === undefined
        ? latestProperties(store, described, typed)
        : latestValues(store, path, typed);
    },
  );
}

/** @throws ApiError `invalid_query` */
function readQuery({ query }: FastifyRequest<{ Querystring: QueryString }>) {
  const reader = new QueryReader(query, QUERY);
  const of = reader.matching('of', 'userId, eventType, property or payload.MEMBER');
  const prefix = reader.text('prefix') ?? '';
  const limit = reader.integer('limit');
  if (of === undefined && reader.errors.length === 0) reader.errors.push('of is required');
  reader.done();
  return { of: of!, prefix, limit };
}
