import { render } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { apiKey } from './api.ts';
import { DeadLetterPage, DeadLettersPage } from './dead-letters.tsx';
import { EventPage } from './event.tsx';
import { GroupsPage } from './groups.tsx';
import { KeyPrompt } from './key-prompt.tsx';
import { LivePage } from './live.tsx';
import { OverviewPage } from './overview.tsx';
import { route } from './route.ts';
import { SearchPage } from './search.tsx';
import { SendPage } from './send.tsx';
import { UserPage } from './user.tsx';

const PAGES = [
  ['', 'Overview'],
  ['live', 'Live'],
  ['search', 'Search'],
  ['dead-letters', 'Dead letters'],
  ['groups', 'Groups'],
  ['send', 'Send'],
] as const;

function Page() {
  const { parts, parameters } = route.value;
  const [name = '', id = ''] = parts;
  if (name === 'live') return <LivePage />;
  if (name === 'search') return <SearchPage key={parameters.toString()} parameters={parameters} />;
  if (name === 'events') return <EventPage key={id} eventId={id} />;
  if (name === 'users') return <UserPage key={id} userId={id} />;
  if (name === 'dead-letters') return id ? <DeadLetterPage key={id} id={id} /> : <DeadLettersPage />;
  if (name === 'groups') return <GroupsPage />;
  if (name === 'send') return <SendPage />;
  return <OverviewPage />;
}

function App() {
  const [name] = route.value.parts;
  const main = useRef<HTMLElement>(null);
  const isFirst = useRef(true);
  // A reader of the page hears that it has changed; at first the browser says so itself.
  useEffect(() => {
    if (!isFirst.current) main.current?.focus();
    isFirst.current = false;
    const heading = main.current?.querySelector('h1')?.textContent;
    document.title = heading && name ? `${heading} · Footfall` : 'Footfall';
  }, [route.value]);
  return (
    <>
      <button class="skip" type="button" onClick={() => main.current?.focus()}>
        Skip to content
      </button>
      <header>
        <a class="brand" href="#/">
          Footfall
        </a>
        <nav aria-label="Pages">
          {PAGES.map(([path, title]) => (
            <a key={path} href={`#/${path}`} aria-current={path === name ? 'page' : undefined}>
              {title}
            </a>
          ))}
        </nav>
        <a class="docs" href="/docs/">
          API
        </a>
      </header>
      <main ref={main} tabIndex={-1} key={apiKey.value}>
        <Page />
      </main>
      <KeyPrompt />
    </>
  );
}

render(<App />, document.body);
