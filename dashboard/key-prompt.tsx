import { useLayoutEffect, useRef } from 'preact/hooks';
import { apiKey, declineKey, keyWanted, useKey } from './api.ts';

/** Asks for an API key as soon as the service wants one; here it is changed and forgotten, too. */
export function KeyPrompt() {
  const dialog = useRef<HTMLDialogElement>(null);
  const why = keyWanted.value;
  useLayoutEffect(() => {
    if (why !== undefined && !dialog.current!.open) dialog.current!.showModal();
    if (why === undefined) dialog.current!.close();
  }, [why]);

  function take(event: SubmitEvent) {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    useKey(String(new FormData(form).get('key')).trim());
    form.reset();
  }

  return (
    <dialog class="key-prompt" ref={dialog} aria-labelledby="key-title" onCancel={declineKey}>
      <form onSubmit={take}>
        <h2 id="key-title">API key</h2>
        <p>{why}</p>
        <label>
          Key
          <input name="key" type="password" autocomplete="off" required />
        </label>
        <p class="hint">
          Kept in this tab until it is closed. Looking needs the scope <code>read</code>; sending needs{' '}
          <code>write</code>, resending dead letters <code>admin</code>. <code>npm run key -- create</code>{' '}
          makes one.
        </p>
        <div class="choices">
          <button type="submit">Use this key</button>
          {apiKey.value !== '' && (
            <button type="button" onClick={() => useKey('')}>
              Forget the key
            </button>
          )}
          <button type="button" onClick={declineKey}>
            Close
          </button>
        </div>
      </form>
    </dialog>
  );
}
