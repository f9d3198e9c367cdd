import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Problem } from './problem.tsx';
import { Suggested } from './suggested.tsx';
import { ofField, toField, zone } from './times.ts';

/** What is in the fields, by their names; times in UTC, as the address holds them. */
export type Given = Record<string, string>;

interface FilterFormProps {
  /** What the address says: the fields follow it, also back and forward, and keep the focus. */
  values: Given;
  /** What the button says. */
  action: string;
  apply(given: Given): void;
  /** What is wrong with what was given, beside what no form takes. */
  mistake?(given: Given): string | undefined;
  children: ComponentChildren;
  /** What stands behind the button. */
  after?: ComponentChildren;
}

/** What is looked for in a view. */
export function FilterForm({ values, action, apply, mistake: ownMistake, children, after }: FilterFormProps) {
  const form = useRef<HTMLFormElement>(null);
  const [mistake, setMistake] = useState<string>();
  // Before the fields are shown: later, this would undo what somebody has begun to write.
  useLayoutEffect(() => {
    for (const field of form.current!.querySelectorAll<HTMLInputElement | HTMLSelectElement>('[name]')) {
      const value = values[field.name] ?? '';
      field.value = isTime(field.name) ? toField(value) : value;
    }
  }, [JSON.stringify(values), zone.value]);

  function submit(event: SubmitEvent) {
    event.preventDefault();
    const given: Given = {};
    for (const [name, value] of new FormData(form.current!))
      given[name] = isTime(name) ? ofField(String(value)) : String(value);
    const problem = mistakeIn(given) ?? ownMistake?.(given);
    setMistake(problem);
    if (problem === undefined) apply(given);
  }
  return (
    <>
      <form class="filters" ref={form} onSubmit={submit}>
        {children}
        <button type="submit">{action}</button>
        {after}
      </form>
      <Problem text={mistake} />
    </>
  );
}

const isTime = (name: string) => name === 'from' || name === 'to';

function mistakeIn({ from = '', to = '', member = '', value = '' }: Given): string | undefined {
  if (from !== '' && to !== '' && from >= to) return 'From must be before To.';
  if (value !== '' && member === '') return 'Say which payload property has this value.';
  return undefined;
}

export function TimeFields() {
  return (
    <>
      <label>
        From
        <input name="from" type="datetime-local" step="1" />
      </label>
      <label>
        To
        <input name="to" type="datetime-local" step="1" />
      </label>
    </>
  );
}

export function PayloadFields() {
  return (
    <>
      <Suggested label="Payload property" name="member" placeholder="productId" of={() => 'property'} />
      <Suggested label="… is" name="value" of={valuesOf} />
    </>
  );
}

function valuesOf(form: HTMLFormElement): string {
  const member = String(new FormData(form).get('member'));
  return member === '' ? '' : `payload.${member}`;
}

export const UserField = () => <Suggested label="User" name="userId" of={() => 'userId'} />;

export const TypeField = () => <Suggested label="Event type" name="eventType" of={() => 'eventType'} />;
