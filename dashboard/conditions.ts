// What is looked for, as the API names it: `userId=ada`, `payload.price[gte]=10`. Addresses of this page hold the same.

/** A parameter of the API, such as `["payload.price[gte]", "10"]`. */
export type Condition = [name: string, value: string];

interface Operator {
  /** As in `payload.price[gte]`; empty for none. */
  name: string;
  said: string;
  /** The value that it always has. */
  value?: string;
}

export const OPERATORS: Operator[] = [
  { name: '', said: 'is' },
  { name: 'ne', said: 'is not' },
  { name: 'contains', said: 'contains' },
  { name: 'gt', said: '>' },
  { name: 'gte', said: '≥' },
  { name: 'lt', said: '<' },
  { name: 'lte', said: '≤' },
  { name: 'exists', said: 'exists', value: 'true' },
  { name: 'exists', said: 'does not exist', value: 'false' },
  { name: 'scalar', said: 'has a single value', value: 'true' },
  { name: 'scalar', said: 'has no single value', value: 'false' },
];

/** Of every event, beside its payload. */
export const FIELDS = ['userId', 'eventType'];

const NAME = /^(userId|eventType|payload\..+?)(?:\[(\w+)\])?$/s;

export function conditionsIn(parameters: URLSearchParams): Condition[] {
  return [...parameters].filter(
    ([name, value]) => NAME.test(name) && (value !== '' || !FIELDS.includes(name)),
  );
}

export const isSame = (one: Condition, other: Condition) => one[0] === other[0] && one[1] === other[1];

/** `userId` and `eventType` are what they say; any other name is of the payload. */
export function toProperty(name: string): string {
  return FIELDS.includes(name) || name.startsWith('payload.') || name === '' ? name : `payload.${name}`;
}

export function conditionOf(property: string, operator: Operator, value: string): Condition {
  if (operator.name === '') return equals(toProperty(property), value);
  return [`${toProperty(property)}[${operator.name}]`, operator.value ?? value];
}

/** The API takes the last brackets of a name for an operator. */
export function equals(property: string, value: string): Condition {
  return [property.endsWith(']') ? `${property}[eq]` : property, value];
}

/** The conditions with one more. A type or user replaces others: more of them would find more. */
export function narrowed(conditions: Condition[], condition: Condition): Condition[] {
  const [name] = condition;
  const kept = conditions.filter(
    (one) => !isSame(one, condition) && !(FIELDS.includes(name) && one[0] === name),
  );
  return [...kept, condition];
}

/** An empty text is a value, too. */
export const EMPTY = '(empty)';

/** The property, the operator in words, and the value where it says something. */
export function said([name, value]: Condition): [property: string, operator: string, value: string] {
  const [, property = name, suffix = ''] = NAME.exec(name) ?? [];
  const known = OPERATORS.filter((one) => one.name === (suffix === 'eq' ? '' : suffix));
  const exact = known.find((one) => one.value === value);
  const operator = exact ?? known[0];
  return [sayProperty(property), operator?.said ?? suffix, exact ? '' : value || EMPTY];
}

export function sayProperty(property: string): string {
  return { userId: 'User', eventType: 'Event type' }[property] ?? property.replace(/^payload\./, '');
}
