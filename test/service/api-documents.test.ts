import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import fc from 'fast-check';
import Fastify from 'fastify';
import { describe, expect, it } from 'vitest';
import { documentRoutes } from '../../src/api/openapi/documents.ts';
import { batchEventSchema } from '../../src/api/openapi/schemas.ts';
import { ApiError } from '../../src/errors.ts';
import { Catalog } from '../../src/events/catalog.ts';
import { readBatchEvent } from '../../src/ingest/batch.ts';
import { serviceHere } from '../support/service.ts';

interface OpenApi {
  components: { schemas: Record<string, object> };
  paths: Record<
    string,
    Record<string, { responses: Record<string, { content?: Record<string, { schema: object }> }> }>
  >;
}

async function json<T>(url: string): Promise<T> {
  return (await (await fetch(url)).json()) as T;
}

function compiler(): Ajv2020 {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  return ajv;
}

describe('the OpenAPI document', () => {
  it('is valid', async () => {
    const { url } = await serviceHere();
    const document = await json<OpenApi>(`${url}/openapi.json`);
    expect(await new Validator().validate({ ...document })).toMatchObject({ valid: true });
  });

  it('has every route there is: one without a schema keeps the service from starting', () => {
    const api = Fastify();
    documentRoutes(api, { catalog: new Catalog(), apiKeys: undefined, topic: 'events' });
    expect(() => api.get('/new', async () => 'undocumented')).toThrow('no schema says what GET /new is');
  });

  it('says which keys are needed where they are', async () => {
    const API_KEYS = JSON.stringify([{ name: 'a', sha256: '0'.repeat(64), scopes: ['read'] }]);
    const { url } = await serviceHere({ API_KEYS });
    const { paths } = await json<{ paths: Record<string, Record<string, { security?: object[] }>> }>(
      `${url}/openapi.json`,
    );
    expect(paths['/events/generate']!.post!.security).toHaveLength(3);
    expect(paths['/events/stream']!.get!.security).toContainEqual({ ticket: [] });
    expect(paths['/health']!.get!.security).toEqual([]);
  });

  it('describes what is answered', async () => {
    const { url } = await serviceHere();
    const document = await json<OpenApi>(`${url}/openapi.json`);
    const event = { userId: 'u', eventType: 'LOGIN', payload: { a: 1 } };
    const post = (body: unknown) => ({
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    const sent = await fetch(`${url}/events/generate?ack=stored`, post(event));
    const location = sent.headers.get('location')!;
    const requests: [template: string, path: string, init?: RequestInit][] = [
      ['/events/generate', '/events/generate', post(event)],
      ['/events/generate', '/events/generate', post({})],
      ['/events/generate', '/events/generate?ack=x', post(event)],
      ['/events/batch', '/events/batch', post([event, {}])],
      ['/events/batch', '/events/batch', post([event])],
      ['/events/batch', '/events/batch', post([{}])],
      ['/events/batch', '/events/batch', post({})],
      ['/events/processed', '/events/processed'],
      ['/events/{eventId}', location],
      ['/events/{eventId}', '/events/none'],
      ['/event-types', '/event-types'],
      ['/dead-letters', '/dead-letters'],
      ['/dead-letters', '/dead-letters?limit=0'],
      ['/dead-letters/{id}', '/dead-letters/1'],
      ['/dead-letters/redrive', '/dead-letters/redrive', post({ all: true })],
      ['/cloudevents', '/cloudevents', post({})],
      ['/v1/track', '/v1/track', post({ userId: 'u', event: 'LOGIN' })],
      ['/v1/batch', '/v1/batch', post({ batch: [{ type: 'track', userId: 'u', event: 'LOGIN' }] })],
      ['/health', '/health'],
      ['/livez', '/livez'],
      ['/readyz', '/readyz'],
    ];
    for (const [template, path, init] of requests) {
      const response = await fetch(`${url}${path}`, init);
      const method = (init?.method ?? 'get').toLowerCase();
      const documented = document.paths[template]![method]!.responses[response.status];
      const schema = documented?.content?.['application/json']?.schema;
      const validate = compiler().compile(schema ? { ...schema, components: document.components } : false);
      const answer: unknown = await response.json();
      expect([path, response.status, validate(answer), validate.errors]).toEqual([
        path,
        response.status,
        true,
        null,
      ]);
    }
  });

  it('describes just the events that are taken', () => {
    const validate = compiler().compile(batchEventSchema(['LOGIN', 'LOGOUT', 'PRODUCT_VIEW']));
    const read = readBatchEvent(new Catalog(), undefined);
    const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
    const odd = fc.oneof(fc.string({ maxLength: 300 }), fc.integer(), fc.constant(null), fc.constant([]));
    const event = fc.record({
      userId: maybe(fc.oneof(fc.string({ minLength: 1, maxLength: 260 }), odd)),
      eventType: maybe(fc.oneof(fc.constantFrom('LOGIN', 'LOGOUT', 'PRODUCT_VIEW'), odd)),
      payload: maybe(fc.oneof(fc.object(), odd)),
      eventId: maybe(fc.oneof(fc.uuid(), odd)),
      timestamp: maybe(
        fc.oneof(
          fc
            .date({ noInvalidDate: true, min: new Date(0), max: new Date('9999-01-01') })
            .map((date) => date.toISOString()),
          odd,
        ),
      ),
    });
    fc.assert(
      fc.property(event, (value) => {
        const text = JSON.stringify(value);
        const fields = JSON.parse(text) as Record<string, unknown>;
        let taken = true;
        try {
          read({ text, fields });
        } catch (error) {
          expect(error).toBeInstanceOf(ApiError);
          taken = false;
        }
        expect(taken).toBe(validate(fields));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the AsyncAPI document', () => {
  it('is valid, and names the topics', async () => {
    const { url } = await serviceHere({ KAFKA_TOPIC: 'clicks' });
    const document = await json<{ channels: Record<string, { address: string }> }>(`${url}/asyncapi.json`);
    const schema = createRequire(import.meta.url).resolve('@asyncapi/specs/schemas/3.0.0-without-$id.json');
    const validate = new Ajv({ strict: false, validateFormats: false }).compile(
      JSON.parse(readFileSync(schema, 'utf8')) as object,
    );
    expect([validate(document), validate.errors]).toEqual([true, null]);
    expect(Object.values(document.channels).map(({ address }) => address)).toEqual(['clicks', 'clicks.dlt']);
  });
});
