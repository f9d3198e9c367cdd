// Reads query parameters by the schema that describes them, with a message for each invalid one.
import type { Static, TObject, TProperties, TSchema } from 'typebox';
import { ApiError } from '../../errors.ts';
import { isDateTime } from '../../events/event-time.ts';
import { isDate, withPlus } from '../../events/moments.ts';
import { payloadPath } from '../../events/payload-path.ts';

export type QueryString = Record<string, string | string[] | undefined>;

/** The schema of one parameter. */
interface Limits {
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  maxItems?: number;
  items?: Limits;
  pattern?: string;
  enum?: readonly string[];
  default?: unknown;
}

function isOfPayload(name: string, prefix: string): boolean {
  return name.startsWith(prefix) && payloadPath(name.slice(prefix.length)) !== undefined;
}

/** Reads parameters one by one and collects their errors. */
export class QueryReader<Properties extends TProperties> {
  readonly errors: string[] = [];
  readonly #query: QueryString;
  readonly #properties: Record<string, TSchema>;

  /**
   * @param takesPayload whether `payload.MEMBER` parameters are allowed too
   * @param payloadsOf what may stand before them, such as `step1.`
   */
  constructor(
    query: QueryString,
    { properties }: TObject<Properties>,
    { takesPayload = false, payloadsOf = [] as readonly string[] } = {},
  ) {
    this.#query = query;
    this.#properties = properties;
    const prefixes = takesPayload ? ['', ...payloadsOf] : payloadsOf;
    for (const name of Object.keys(query)) {
      if (Object.hasOwn(properties, name) || prefixes.some((prefix) => isOfPayload(name, prefix))) continue;
      const names = Object.keys(properties).join(', ');
      const also = prefixes.map((prefix) => ` and ${prefix}payload.MEMBER`).join('');
      this.errors.push(`${name} is not a parameter: there are ${names}${also}`);
    }
  }

  one(name: string): string | undefined {
    const value = this.#query[name];
    if (!Array.isArray(value)) return value;
    this.errors.push(`${name} must be given once`);
    return undefined;
  }

  /** A search text, whose length and pattern match something that can be stored. */
  text(name: keyof Properties & string): string | undefined {
    const value = this.one(name);
    if (value !== undefined) this.#checkTexts(name, [value], this.#limits(name));
    return value;
  }

  texts(name: keyof Properties & string): string[] | undefined {
    const value = this.#query[name];
    if (value === undefined) return undefined;
    const values = [value].flat();
    const { maxItems = Number.POSITIVE_INFINITY, items = {} } = this.#limits(name);
    if (values.length > maxItems) this.errors.push(`${name} may be given ${maxItems} times`);
    this.#checkTexts(name, values, items);
    return values;
  }

  integer(name: keyof Properties & string): number {
    const text = this.one(name);
    const { minimum = 0, maximum = 0, default: fallback } = this.#limits(name);
    if (text === undefined) return Number(fallback);
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= minimum && value <= maximum) return value;
    this.errors.push(`${name} must be a whole number from ${minimum} to ${maximum}`);
    return Number(fallback);
  }

  /** @returns the first allowed value if the parameter is missing */
  choice<Name extends keyof Properties & string>(name: Name): NonNullable<Static<Properties[Name]>> {
    type Choice = NonNullable<Static<Properties[Name]>>;
    const text = this.one(name);
    const { enum: choices = [] } = this.#limits(name);
    if (text === undefined || choices.includes(text)) return (text ?? choices[0]) as Choice;
    this.errors.push(`${name} must be one of ${choices.join(', ')}`);
    return choices[0] as Choice;
  }

  flag(name: keyof Properties & string): boolean {
    const text = this.one(name);
    if (text !== undefined && text !== 'true' && text !== 'false')
      this.errors.push(`${name} must be true or false`);
    return text === 'true';
  }

  /** @param expected the valid form, for a person */
  matching(name: keyof Properties & string, expected: string): string | undefined {
    const text = this.one(name);
    const { pattern = '' } = this.#limits(name);
    if (text === undefined || new RegExp(pattern).test(text)) return text;
    this.errors.push(`${name} must be ${expected}`);
    return undefined;
  }

  /** Digits, as the ids of lists that are kept in memory. @param expected what it must be, for a person */
  id(name: keyof Properties & string, expected: string): number | undefined {
    const text = this.matching(name, expected);
    return text === undefined ? undefined : Number(text);
  }

  /** @returns milliseconds since 1970 */
  time(name: string): number | undefined {
    const text = this.one(name);
    if (text === undefined) return undefined;
    const value = withPlus(text);
    if (isDate(value) || isDateTime(value)) return Date.parse(value);
    this.errors.push(
      `${name} must be a date, such as 2024-02-14, or a date and time with a time zone, such as 2024-02-14T10:30:00Z`,
    );
    return undefined;
  }

  /** Names of parameters that are `payload.…`, with that before it. */
  payloadNames(prefix: string): string[] {
    return Object.keys(this.#query).filter((name) => isOfPayload(name, prefix));
  }

  /** @throws ApiError `invalid_query` with all errors */
  done(): void {
    if (this.errors.length > 0) throw new ApiError('invalid_query', { details: this.errors });
  }

  #checkTexts(name: string, values: string[], { minLength = 0, maxLength = 0, pattern = '' }: Limits): void {
    const isAllowed = new RegExp(pattern);
    const isFit = (value: string) =>
      value.length >= minLength && value.length <= maxLength && isAllowed.test(value);
    if (values.every(isFit)) return;
    this.errors.push(`${name} must be ${minLength} to ${maxLength} characters long, without NUL characters`);
  }

  #limits(name: string): Limits {
    return this.#properties[name] as Limits;
  }
}
