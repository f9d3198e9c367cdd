import { isUtf8 } from 'node:buffer';
import { ApiError } from '../errors.ts';

export interface JsonObject {
  /** Exactly as sent. */
  text: string;
  fields: Record<string, unknown>;
}

/**
 * Reads a request body that must be a JSON object.
 *
 * @throws ApiError `body_missing`, `body_not_json` or `body_not_object`
 */
export function parseJsonBody(body: Buffer | undefined): JsonObject {
  if (body === undefined || body.length === 0) throw new ApiError('body_missing');
  if (!isUtf8(body)) throw new ApiError('body_not_json', { message: 'Request body is not valid UTF-8' });
  const text = body.toString('utf8');
  const fields = parseJson(text);
  if (fields === NOT_JSON) throw new ApiError('body_not_json');
  if (!isObject(fields)) throw new ApiError('body_not_object');
  return { text, fields };
}

/** Returned by `parseJson` for text that is not JSON; no JSON value equals it. */
export const NOT_JSON = Symbol('not JSON');

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return NOT_JSON;
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
