import { apiKey, get } from './api.ts';
import { Copy } from './copy.tsx';
import { curlOf } from './curl.ts';
import { usePolling } from './polling.ts';

const TYPES_MS = 60_000;
const EXAMPLE_TYPE = 'LOGIN';

/** What to do where there is nothing to see yet. */
export function FirstEvent() {
  const types = usePolling(() => get<{ eventTypes: { eventType: string }[] }>('/event-types'), TYPES_MS);
  const known = types.value?.eventTypes.map(({ eventType }) => eventType) ?? [EXAMPLE_TYPE];
  const eventType = known.includes(EXAMPLE_TYPE) ? EXAMPLE_TYPE : (known[0] ?? EXAMPLE_TYPE);
  const command = curlOf(
    '/events/generate',
    JSON.stringify({ userId: 'ada', eventType, payload: { device: 'phone' } }),
  );
  return (
    <section class="empty">
      <h2>No events yet</h2>
      <p>Send the first one from a terminal. It appears here as soon as it is stored.</p>
      <div class="command">
        <pre>{command}</pre>
        <Copy text={command} title="Copy command" />
      </div>
      {apiKey.value !== '' && (
        <p class="hint">
          <code>FOOTFALL_KEY</code> must be a key with the scope <code>write</code>:{' '}
          <code>npm run key -- create --name my-app --scope write</code> makes one.
        </p>
      )}
      <p>
        Or <a href="#/send">send it from a form</a>, or let <code>npm run demo</code> play a small shop with
        users who log in, look at products and log out. <a href="/docs/">The API</a> has everything else.
      </p>
    </section>
  );
}
