// In: CloudEvents 1.0. Out: new events.
import { isUtf8 } from 'node:buffer';
import { ApiError } from '../errors.ts';
import type { Catalog } from '../events/catalog.ts';
import { checkNewEvent, type NewEvent } from '../events/event.ts';
import { callersUuid } from '../events/event-ids.ts';
import { isObject, type JsonObject, parseJsonBody } from '../json/json-body.ts';
import { rawMembers } from '../json/raw-json.ts';

/**
 * Reads an event in structured mode (`application/cloudevents+json`). `type` is the eventType, `data` the payload,
 * `time` the timestamp; the userId is the extension attribute `userid`, else `subject`. The eventId is derived from
 * `source` and `id`, which together identify a CloudEvent, and the caller. All attributes are kept as sent.
 *
 * @throws ApiError `invalid_event`
 */
export function readCloudEvent(
  { text, fields }: JsonObject,
  catalog: Catalog,
  caller: string | undefined,
): NewEvent {
  const raw = () => (fields.data === undefined ? '{}' : rawMembers(text).get('data')!);
  const event = fromAttributes(fields, { data: fields.data, rawData: raw }, catalog, caller);
  const attributes = [...rawMembers(text)].filter(([name]) => name !== 'data');
  return {
    ...event,
    attributes: `{${attributes.map(([name, value]) => `${JSON.stringify(name)}:${value}`)}}`,
  };
}

/**
 * Reads an event in binary mode: attributes in `ce-` headers, data as the body.
 *
 * @throws ApiError `invalid_event`, `body_not_json` or `body_not_object`
 */
export function readBinaryCloudEvent(
  headers: Record<string, string | string[] | undefined>,
  body: Buffer | undefined,
  catalog: Catalog,
  caller: string | undefined,
): NewEvent {
  const attributes = Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      name.startsWith('ce-') && typeof value === 'string' ? [[name.slice(3), decode(value)]] : [],
    ),
  );
  const data = body === undefined || body.length === 0 ? undefined : parseJsonBody(body);
  const event = fromAttributes(
    attributes,
    { data: data?.fields, rawData: () => data?.text ?? '{}' },
    catalog,
    caller,
  );
  return { ...event, attributes: JSON.stringify(attributes) };
}

function fromAttributes(
  attributes: Record<string, unknown>,
  { data, rawData }: { data: unknown; rawData: () => string },
  catalog: Catalog,
  caller: string | undefined,
): NewEvent {
  const errors = attributeErrors(attributes, data);
  if (errors.length > 0) throw new ApiError('invalid_event', { details: errors });
  const { id, source, type, subject, userid, time } = attributes as Record<string, string>;
  const event = {
    userId: userid ?? subject,
    eventType: type,
    payload: data,
    eventId: callersUuid(caller, 'cloudevents', source!, id!),
    timestamp: time,
  };
  // Attributes such as `traceparent` belong to one delivery: two copies of an event may differ in them.
  return { ...checkNewEvent(event, rawData, catalog), varying: [] };
}

function attributeErrors(attributes: Record<string, unknown>, data: unknown): string[] {
  const errors: string[] = [];
  if (attributes.specversion !== '1.0') errors.push('specversion must be 1.0');
  for (const name of ['id', 'source', 'type']) {
    if (typeof attributes[name] !== 'string' || attributes[name] === '') {
      errors.push(`${name} is required and must be a string`);
    }
  }
  if ((attributes.userid ?? attributes.subject) === undefined) {
    errors.push('subject, or the extension attribute userid, is required: it is the userId');
  }
  if (attributes.data_base64 !== undefined || (data !== undefined && !isObject(data))) {
    errors.push('data must be a JSON object');
  }
  return errors;
}

/**
 * Decodes a header value (CloudEvents HTTP binding, 3.1.3.2): unquotes and percent-decodes it. Some libraries send raw
 * UTF-8, which arrives as one character per byte.
 */
function decode(value: string): string {
  const bytes = Buffer.from(value, 'latin1');
  const text = isUtf8(bytes) ? bytes.toString('utf8') : value;
  const unquoted = /^".*"$/.test(text) ? text.slice(1, -1).replace(/\\(.)/g, '$1') : text;
  return unquoted.replace(/(?:%[0-9a-f]{2})+/gi, decodeBytes);
}

/** Anything that is not UTF-8 was not percent-encoded. */
function decodeBytes(encoded: string): string {
  const bytes = Buffer.from(encoded.replaceAll('%', ''), 'hex');
  return isUtf8(bytes) ? bytes.toString('utf8') : encoded;
}
