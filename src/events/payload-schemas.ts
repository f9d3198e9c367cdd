// Compiles JSON Schemas so that no payload can block the process for long, whatever the schema says.
import { Ajv2020, type ErrorObject, type SchemaObject, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { RE2JS } from 're2js';
import { configure } from 'safe-stable-stringify';

export const MODE_KEYWORD = 'x-mode';
export const RETENTION_KEYWORD = 'x-retention-days';
const STEP_KEYWORD = 'x-footfall-step';
/** Steps before a check looks at the clock, so that the result for a small payload never depends on timing. */
const FREE_STEPS = 10_000;
/** A check that exceeds both this time and the number of steps is aborted. */
const MAX_CHECK_MS = 250;

/** Validates a payload. @returns what is wrong with it, or undefined */
export type CheckPayload = (payload: unknown) => ErrorObject | undefined;

/** Thrown inside a check that takes too long. */
class TooLong extends Error {}

const TOO_LONG = {
  instancePath: '',
  keyword: STEP_KEYWORD,
  schemaPath: '',
  params: {},
  message: 'takes too long to check against its schema',
};

/** The same text for equal values, whatever the order of their members. */
const canonical = configure({ bigint: false, circularValue: TypeError });

/**
 * Follows Ajv's security guidance: reports only the first error, and replaces whatever takes more than linear time.
 * Regular expressions run on RE2, which has no lookaround or backreferences: schemas that use them are rejected.
 * Self-referencing schemas are aborted after some time.
 *
 * @returns a function that throws for an invalid schema, or one that cannot be checked safely
 */
export function schemaCompiler(): (schema: object) => CheckPayload {
  const clock = { steps: 0, since: 0 };
  const ajv = new Ajv2020({
    strict: true,
    strictRequired: false,
    strictTypes: false,
    code: { regExp: linearRegExp },
  });
  addFormats.default(ajv);
  ajv.addKeyword({ keyword: MODE_KEYWORD, schemaType: 'string' });
  ajv.addKeyword({ keyword: RETENTION_KEYWORD, schemaType: 'number' });
  ajv.addKeyword({ keyword: STEP_KEYWORD, validate: () => step(clock), errors: false });
  ajv.removeKeyword('uniqueItems');
  ajv.addKeyword({
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    validate: (isAsked: boolean, items: unknown[]) => !isAsked || areUnique(items),
    error: { message: 'must NOT have duplicate items' },
  });
  return (schema) => {
    const validate = ajv.compile(withSteps(schema) as SchemaObject);
    return (payload) => check(validate, payload, clock);
  };
}

function check(
  validate: ValidateFunction,
  payload: unknown,
  clock: { steps: number; since: number },
): ErrorObject | undefined {
  Object.assign(clock, { steps: 0, since: performance.now() });
  try {
    return validate(payload) ? undefined : validate.errors![0];
  } catch (error) {
    if (error instanceof TooLong) return TOO_LONG;
    throw error;
  }
}

function step(clock: { steps: number; since: number }): boolean {
  if (++clock.steps > FREE_STEPS && performance.now() - clock.since > MAX_CHECK_MS) throw new TooLong();
  return true;
}

function areUnique(items: readonly unknown[]): boolean {
  const seen = new Set<unknown>();
  for (const item of items) {
    // A string must never equal the serialized form of an object, so strings are serialized with a mark of their own.
    seen.add(typeof item === 'object' && item !== null ? `o${canonical(item)}` : typed(item));
  }
  return seen.size === items.length;
}

function typed(item: unknown): unknown {
  return typeof item === 'string' ? `s${item}` : item;
}

function linearRegExp(pattern: string): { test(text: string): boolean; toString(): string } {
  try {
    const compiled = RE2JS.compile(RE2JS.translateRegExp(pattern));
    // Ajv treats those with the same text as equal.
    return { test: (text) => compiled.test(text), toString: () => pattern };
  } catch (error) {
    throw new Error(
      `the pattern ${JSON.stringify(pattern)} cannot be checked in linear time: ${(error as Error).message}; write it without look-around and back references`,
    );
  }
}
linearRegExp.code = 'linearRegExp';

/** Values that are data, even if they look like schemas. */
const DATA = ['const', 'enum', 'default', 'examples'];

/** Only a self-referencing schema can take much longer than the payload's length: each reference is a step. */
function withSteps(schema: unknown, isNames = false): unknown {
  if (Array.isArray(schema)) return schema.map((one) => withSteps(one));
  if (typeof schema !== 'object' || schema === null) return schema;
  const entries = Object.entries(schema).map(([name, value]) => {
    if (!isNames && DATA.includes(name)) return [name, value];
    return [name, withSteps(value, !isNames && NAMED.includes(name))];
  });
  const refers =
    !isNames && ['$ref', '$dynamicRef'].some((name) => typeof Reflect.get(schema, name) === 'string');
  return Object.fromEntries(refers ? [[STEP_KEYWORD, true], ...entries] : entries);
}

/** Keywords whose members are named by the schema's author. */
const NAMED = ['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas'];
