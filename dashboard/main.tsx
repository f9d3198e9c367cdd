import { render } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { apiKey, askForKey } from './api.ts';
import { DeadLetterPage, DeadLettersPage } from './dead-letters.tsx';
import { EventPage } from './event.tsx';
import { ExplorePage } from './explore.tsx';
import { FunnelPage } from './funnel.tsx';
import { GroupsPage } from './groups.tsx';
import { KeyPrompt } from './key-prompt.tsx';
import { LivePage } from './live.tsx';
import { OverviewPage } from './overview.tsx';
import { RefusalPage, RejectedPage } from './rejected.tsx';
import { ReturningPage } from './returning.tsx';
import { route, scrollToPlace } from './route.ts';
import { SearchPage } from './search.tsx';
import { SendPage } from './send.tsx';
import { Status } from './status.tsx';
import { now, offsetOf, showIn, zone } from './times.ts';
import { TypePage, TypesPage } from './types.tsx';
import { UserPage } from './user.tsx';

const PAGES = [
  ['', 'Overview'],
  ['live', 'Live'],
  ['search', 'Search'],
  ['explore', 'Explore'],
  ['rejected', 'Rejected'],
  ['dead-letters', 'Dead letters'],
  ['groups', 'Operations'],
  ['send', 'Send'],
] as const;

function Page() {
  const { parts, parameters } = route.value;
  const [name = '', ...rest] = parts;
  const id = rest.join('/');
  if (name === 'live') return <LivePage parameters={parameters} />;
  if (name === 'search') return <SearchPage parameters={parameters} />;
  if (name === 'explore' && id === 'funnel') return <FunnelPage parameters={parameters} />;
  if (name === 'explore' && id === 'returning') return <ReturningPage parameters={parameters} />;
  if (name === 'explore') return <ExplorePage parameters={parameters} />;
  if (name === 'events' && id) return <EventPage key={id} eventId={id} />;
  if (name === 'users' && id) return <UserPage key={id} userId={id} parameters={parameters} />;
  if (name === 'dead-letters') return id ? <DeadLetterPage key={id} id={id} /> : <DeadLettersPage />;
  if (name === 'rejected' && id) return <RefusalPage key={id} id={id} process={parameters.get('process')} />;
  if (name === 'rejected') return <RejectedPage parameters={parameters} />;
  if (name === 'groups') return <GroupsPage parameters={parameters} />;
  if (name === 'types') return id ? <TypePage key={id} name={id} /> : <TypesPage />;
  if (name === 'send') return <SendPage />;
  if (name === '') return <OverviewPage />;
  return <Unknown />;
}

function Unknown() {
  return (
    <>
      <h1>There is no such view</h1>
      <p>
        The address may be cut off. <a href="#/">Go to the overview</a> or{' '}
        <a href="#/search">search for an event</a>.
      </p>
    </>
  );
}

function App() {
  const [name] = route.value.parts;
  const main = useRef<HTMLElement>(null);
  const isFirst = useRef(true);
  // A reader of the page hears that it has changed; at first the browser says so itself. Before the new view is shown:
  // later, this would take the focus from a field that somebody has begun to fill in.
  const place = route.value.parts.join('/');
  useLayoutEffect(() => {
    if (!isFirst.current) main.current?.focus({ preventScroll: true });
    isFirst.current = false;
    const heading = main.current?.querySelector('h1')?.textContent;
    document.title = heading && name ? `${heading} · Footfall` : 'Footfall';
    return scrollToPlace();
  }, [place]);
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
        <div class="tools">
          <button type="button" onClick={() => showIn(zone.value === 'UTC' ? 'local' : 'UTC')}>
            <span class="unseen">Times are shown in </span>
            {zone.value === 'UTC' ? 'UTC' : `Local, ${offsetOf(now.value)}`}
          </button>
          <button type="button" onClick={askForKey}>
            Key
          </button>
          <a class="docs" href="/docs/">
            API
          </a>
        </div>
      </header>
      <main ref={main} tabIndex={-1} key={apiKey.value}>
        <Status />
        <Page />
      </main>
      <KeyPrompt />
    </>
  );
}

render(<App />, document.body);
