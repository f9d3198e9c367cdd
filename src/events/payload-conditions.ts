// In: a condition on one property of a payload. Out: whether a payload meets it.
import { compareDecimals, isNumberText } from '../json/decimals.ts';
import { rawAt } from '../json/raw-json.ts';
import { momentMs, withPlus } from './moments.ts';
import { isScalar, isScalarAt, payloadDimension, payloadPath, valueAt } from './payload-path.ts';

/** What may follow the name of a property: `payload.cart.price[gte]`. Without any, `eq` is meant. */
export const PAYLOAD_OPERATORS = [
  'eq',
  'ne',
  'contains',
  'gt',
  'gte',
  'lt',
  'lte',
  'exists',
  'scalar',
] as const;
export type PayloadOperator = (typeof PAYLOAD_OPERATORS)[number];

/** Those with the value `true` or `false`. */
export const YES_OR_NO: readonly PayloadOperator[] = ['exists', 'scalar'];

export interface PayloadCondition {
  path: readonly string[];
  operator: PayloadOperator;
  /** Of `YES_OR_NO`: `true` or `false`. */
  value: string;
}

const WITH_OPERATOR = /^(.*[^.])\[([^[\]]*)\]$/s;

/**
 * Reads the name of a condition. Only the last brackets are an operator: `payload.a[gt][eq]` is a property `a[gt]`.
 *
 * @param name one that `payloadPath` knows
 * @returns the operator as a text, which may be none of those there are
 */
export function splitCondition(name: string): { path: string[]; operator: string } {
  const [, property = name, operator = 'eq'] = WITH_OPERATOR.exec(name) ?? [];
  return { path: payloadPath(property)!, operator };
}

/** @returns the name that `splitCondition` reads as this */
export function conditionName(path: string, operator: PayloadOperator): string {
  const name = payloadDimension(path);
  return operator === 'eq' && !WITH_OPERATOR.test(name) ? name : `${name}[${operator}]`;
}

export function isPayloadOperator(text: string): text is PayloadOperator {
  return (PAYLOAD_OPERATORS as readonly string[]).includes(text);
}

/**
 * Whether a payload meets a condition.
 *
 * @param payload parsed
 * @param text the payload as sent; called only where a number may need it
 */
export type PayloadCheck = (payload: unknown, text: () => string) => boolean;

export function payloadCheck({ path, operator, value: wanted }: PayloadCondition): PayloadCheck {
  const isThere = (payload: unknown) => valueAt(payload, path) !== undefined;
  switch (operator) {
    case 'eq':
      return (payload, text) => isScalarAt(payload, path, text, wanted);
    case 'ne':
      return (payload, text) => isThere(payload) && !isScalarAt(payload, path, text, wanted);
    case 'exists':
      return (payload) => isThere(payload) === (wanted === 'true');
    case 'scalar':
      return (payload) => isScalar(valueAt(payload, path)) === (wanted === 'true');
    case 'contains':
      return (payload) => {
        const value = valueAt(payload, path);
        return typeof value === 'string' && value.includes(wanted);
      };
    default:
      return comparison(path, HOLDS[operator], comparerWith(wanted));
  }
}

type Comparison = Extract<PayloadOperator, 'gt' | 'gte' | 'lt' | 'lte'>;

/** @param order of a value and the one it is compared with: negative if the value comes first */
const HOLDS: Record<Comparison, (order: number) => boolean> = {
  gt: (order) => order > 0,
  gte: (order) => order >= 0,
  lt: (order) => order < 0,
  lte: (order) => order <= 0,
};

/** @returns undefined for a value that is of another kind @param text the value as sent */
type Comparer = (value: unknown, text: () => string) => number | undefined;

function comparison(
  path: readonly string[],
  holds: (order: number) => boolean,
  compare: Comparer,
): PayloadCheck {
  return (payload, text) => {
    const order = compare(valueAt(payload, path), () => rawAt(text(), path));
    return order !== undefined && holds(order);
  };
}

/** A number is compared with numbers, a date or time with dates and times, another text with all texts. */
function comparerWith(wanted: string): Comparer {
  if (isNumberText(wanted)) return numberComparer(wanted);
  const moment = momentMs(withPlus(wanted));
  if (moment !== undefined) return momentComparer(moment);
  return (value) => (typeof value === 'string' ? (value < wanted ? -1 : value > wanted ? 1 : 0) : undefined);
}

function numberComparer(wanted: string): Comparer {
  const rounded = Number(wanted);
  return (value, text) => {
    if (typeof value !== 'number') return undefined;
    // Rounding keeps the order of numbers, unless it makes them equal.
    if (value !== rounded) return value < rounded ? -1 : 1;
    return compareDecimals(text(), wanted);
  };
}

function momentComparer(moment: number): Comparer {
  return (value) => {
    const own = typeof value === 'string' ? momentMs(value) : undefined;
    return own === undefined ? undefined : own - moment;
  };
}
