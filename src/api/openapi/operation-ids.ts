import { SEGMENT_PATHS } from '../ingest/format-routes.ts';

/** What generated clients call the functions for each route, by method and path: part of the contract. */
export const OPERATION_IDS: Record<string, string> = {
  'POST /events/generate': 'recordEvent',
  'POST /events/batch': 'recordEvents',
  'GET /events/:eventId': 'getEvent',
  'GET /event-types': 'listEventTypes',
  'GET /events/processed': 'listEvents',
  'GET /events/stream': 'streamEvents',
  'POST /events/stream/tickets': 'createStreamTicket',
  'GET /events/stats': 'getStats',
  'POST /cloudevents': 'recordCloudEvents',
  ...Object.fromEntries(
    Object.entries(SEGMENT_PATHS).map(([path, kind]) => [
      `POST ${path}`,
      `segment${capitalised(kind)}${path === `/v1/${kind}` ? '' : 'Short'}`,
    ]),
  ),
  'POST /v1/batch': 'segmentBatch',
  'POST /v1/b': 'segmentBatchShort',
  'POST /v1/import': 'segmentImport',
  'GET /dead-letters': 'listDeadLetters',
  'GET /dead-letters/:id': 'getDeadLetter',
  'POST /dead-letters/redrive': 'redriveDeadLetters',
  'GET /consumer-groups': 'getConsumerGroups',
  'GET /health': 'getHealth',
  'GET /livez': 'getLiveness',
  'GET /readyz': 'getReadiness',
  'GET /metrics': 'getMetrics',
  'GET /openapi.json': 'getOpenApi',
  'GET /asyncapi.json': 'getAsyncApi',
};

function capitalised(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
