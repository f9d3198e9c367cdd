import { type Condition, conditionOf, FIELDS, OPERATORS, said, toProperty } from './conditions.ts';
import { Exact } from './exact.tsx';
import type { Given } from './filter-form.tsx';
import { Suggested } from './suggested.tsx';

/** A property, how it compares, and with what: one more condition. @param also what there is beside payloads */
export function ConditionFields({ also = FIELDS }: { also?: readonly string[] }) {
  return (
    <>
      <Suggested label="Filter" name="member" of={() => 'property'} also={also} placeholder="productId" />
      <label>
        Operator
        <select name="operator">
          {OPERATORS.map(({ said }, at) => (
            <option key={said} value={at === 0 ? '' : said}>
              {said}
            </option>
          ))}
        </select>
      </label>
      <Suggested
        label="Value"
        name="value"
        of={(form) => toProperty(String(new FormData(form).get('member')).trim())}
      />
    </>
  );
}

/** What these fields say; undefined if nothing. */
export function conditionIn({ member = '', operator = '', value = '' }: Given): Condition | undefined {
  const property = member.trim();
  const chosen = OPERATORS.find(({ said }) => said === operator) ?? OPERATORS[0]!;
  if (property === '' || (value === '' && chosen.value === undefined)) return undefined;
  return conditionOf(property, chosen, value);
}

interface ChipsProps {
  /** Of what; undefined: of all that is shown. */
  of?: string;
  conditions: Condition[];
  remove(condition: Condition): void;
}

/** What is looked for, each to be taken away. */
export function Chips({ of, conditions, remove }: ChipsProps) {
  if (conditions.length === 0) return null;
  return (
    <ul class="choices conditions" aria-label={of === undefined ? 'Filters' : `Filters of ${of}`}>
      {of !== undefined && <li class="of">{of}</li>}
      {conditions.map((condition) => {
        const [property, operator, value] = said(condition);
        return (
          <li key={condition.join('=')}>
            <Exact text={property} /> {operator}{' '}
            {value !== '' && (
              <b>
                <Exact text={value} most={40} />
              </b>
            )}
            <button
              type="button"
              aria-label={`Remove the filter ${property} ${operator} ${value}`}
              onClick={() => remove(condition)}
            >
              ×
            </button>
          </li>
        );
      })}
    </ul>
  );
}
