import { useId, useRef, useState } from 'preact/hooks';
import { get } from './api.ts';

const PAUSE_MS = 200;

interface SuggestedProps {
  label: string;
  name: string;
  placeholder?: string;
  /** What else is offered. */
  also?: readonly string[];
  /** Of what there are values: `userId`, `property` or `payload.price`; empty for nothing. */
  of(form: HTMLFormElement): string;
}

/** A field that knows what is stored. Whatever else is written in it is taken as well. */
export function Suggested({ label, name, placeholder, also = [], of }: SuggestedProps) {
  const id = useId();
  const [values, setValues] = useState<string[]>([]);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  function suggest({ currentTarget: input }: { currentTarget: HTMLInputElement }) {
    clearTimeout(timer.current);
    timer.current = setTimeout(async () => {
      const { value, form } = input;
      const what = of(form!);
      const found = what === '' ? [] : await suggestions(what, value).catch(() => []);
      const others = also.filter((one) => one.startsWith(value));
      if (input.value === value) setValues([...others, ...found]);
    }, PAUSE_MS);
  }
  return (
    <label>
      {label}
      <input
        name={name}
        placeholder={placeholder}
        list={id}
        autocomplete="off"
        onFocus={suggest}
        onInput={suggest}
      />
      <datalist id={id}>
        {values.map((value) => (
          <option key={value} value={value} />
        ))}
      </datalist>
    </label>
  );
}

async function suggestions(of: string, prefix: string): Promise<string[]> {
  const query = new URLSearchParams({ of, prefix });
  const { values } = await get<{ values: { value: string }[] }>(`/events/suggestions?${query}`);
  return values.map(({ value }) => value);
}
