import { useEffect, useRef } from 'preact/hooks';
import { keyWanted, useKey } from './api.ts';

/** Asks for an API key as soon as the service wants one. */
export function KeyPrompt() {
  const dialog = useRef<HTMLDialogElement>(null);
  const why = keyWanted.value;
  useEffect(() => {
    if (why !== undefined && !dialog.current!.open) dialog.current!.showModal();
    if (why === undefined) dialog.current!.close();
  }, [why]);

  function take(event: SubmitEvent) {
    event.preventDefault();
    useKey(String(new FormData(event.currentTarget as HTMLFormElement).get('key')).trim());
  }

  return (
    <dialog class="key-prompt" ref={dialog} aria-labelledby="key-title">
      <form onSubmit={take}>
        <h2 id="key-title">API key</h2>
        <p>{why}</p>
        <label>
          Key
          <input name="key" type="password" autocomplete="off" required />
        </label>
        <p class="hint">
          Kept in this tab until it is closed. Looking needs a key that may <code>read</code>; sending and
          redriving need <code>write</code> and <code>admin</code>. <code>npm run key -- create</code> makes
          one.
        </p>
        <button type="submit">Use this key</button>
      </form>
    </dialog>
  );
}
