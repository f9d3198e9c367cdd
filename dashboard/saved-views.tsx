import { signal } from '@preact/signals';
import { useRef } from 'preact/hooks';

const ITEM = 'footfall-views';

interface View {
  name: string;
  address: string;
}

/** Kept by this browser. */
const views = signal<View[]>(JSON.parse(localStorage.getItem(ITEM) ?? '[]') as View[]);

function keep(next: View[]): void {
  localStorage.setItem(ITEM, JSON.stringify(next));
  views.value = next;
}

/** What is shown, under a name, to come back to. @param address of what is shown */
export function SavedViews({ address }: { address: string }) {
  const field = useRef<HTMLInputElement>(null);
  function save(event: SubmitEvent) {
    event.preventDefault();
    const name = field.current!.value.trim();
    if (name === '') return;
    keep([...views.value.filter((one) => one.name !== name), { name, address }]);
    field.current!.value = '';
  }
  return (
    <>
      <form class="choices" onSubmit={save}>
        <input
          ref={field}
          aria-label="Name of this view"
          placeholder="Name of this view"
          autocomplete="off"
        />
        <button type="submit">Save view</button>
      </form>
      {views.value.length > 0 && (
        <ul class="choices conditions" aria-label="Saved views">
          {views.value.map(({ name, address }) => (
            <li key={name}>
              <a href={address}>{name}</a>
              <button
                type="button"
                aria-label={`Forget the view ${name}`}
                onClick={() => keep(views.value.filter((one) => one.name !== name))}
              >
                ×
              </button>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
