import { get, type Stats } from './api.ts';
import { EventList, EventType } from './event-list.tsx';
import { Exact } from './exact.tsx';
import { asText, prettyJson } from './exact-json.ts';
import { useEvents } from './found-events.ts';
import { OverTime } from './over-time.tsx';
import { usePolling } from './polling.ts';
import { Outdated, Problem } from './problem.tsx';
import { toType } from './route.ts';
import { type SeenProperty, seenProperties } from './seen-properties.ts';
import { ago, clock, date } from './times.ts';
import { count, many } from './words.ts';

const POLL_MS = 5000;
const SAMPLE = 200;
const SHOWN = 10;

/** As `GET /event-types` answers. */
interface Catalog {
  allowsOtherTypes: boolean;
  eventTypes: { eventType: string; mode: string; versions: { version: number; schema: object }[] }[];
}

/** What is to be found in the store, by type. */
export function TypesPage() {
  const stats = usePolling(() => get<Stats>('/events/stats'), POLL_MS);
  const catalog = usePolling(() => get<Catalog>('/event-types'), POLL_MS);
  const totals = new Map(stats.value?.totals.map((total) => [total.eventType, total]));
  const names = new Set([...totals.keys(), ...(catalog.value?.eventTypes ?? []).map((one) => one.eventType)]);
  return (
    <>
      <h1>Event types</h1>
      <Outdated polled={stats} />
      <Outdated polled={catalog} />
      {catalog.value && (
        <p class="hint">
          {catalog.value.allowsOtherTypes
            ? 'Events of any other type are accepted, too.'
            : 'Events of any other type are rejected.'}
        </p>
      )}
      {names.size > 0 && (
        <table class={stats.problem === undefined ? 'texts' : 'texts stale'}>
          <thead>
            <tr>
              <th scope="col">Type</th>
              <th scope="col" class="number">
                Events
              </th>
              <th scope="col">Latest</th>
            </tr>
          </thead>
          <tbody>
            {[...names].map((name) => {
              const total = totals.get(name);
              return (
                <tr key={name}>
                  <td data-name="Type">
                    <a href={toType(name)}>
                      <Exact text={name} />
                    </a>
                  </td>
                  <td data-name="Events" class="number">
                    {stats.value ? count(total?.events ?? 0) : '–'}
                  </td>
                  <td data-name="Latest">{total ? <Hour at={total.lastHour} /> : '–'}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
    </>
  );
}

/** One type: how many, since when, how its payloads look, and what they should look like. */
export function TypePage({ name }: { name: string }) {
  const stats = usePolling(() => get<Stats>('/events/stats'), POLL_MS);
  const catalog = usePolling(() => get<Catalog>('/event-types'), POLL_MS);
  const { events, isSearching, problem } = useEvents(
    new URLSearchParams({ eventType: name, order: 'desc', limit: `${SAMPLE}` }).toString(),
  );
  const total = stats.value?.totals.find(({ eventType }) => eventType === name);
  return (
    <>
      <h1>
        Event type <EventType name={name} />
      </h1>
      <Outdated polled={stats} />
      {stats.value && (
        <p class="lead">
          {total ? (
            <>
              {many(total.events, 'event')}, the first on <Hour at={total.firstHour} />, the latest on{' '}
              <Hour at={total.lastHour} />.
            </>
          ) : (
            <>
              No event of this type is stored. <a href="#/send">Send one by hand</a>, or look which{' '}
              <a href="#/types">types there are</a>.
            </>
          )}
        </p>
      )}
      {stats.value && total && <OverTime stats={onlyOf(stats.value, name)} />}
      <Problem text={problem} />
      {!isSearching && events.length > 0 && (
        <>
          <Properties
            seen={seenProperties(events.map(({ payload }) => payload))}
            of={events.length}
            eventType={name}
          />
          <section aria-labelledby="latest">
            <div class="heading">
              <h2 id="latest">Latest to arrive</h2>
              <a href={`#/search?${new URLSearchParams({ eventType: name })}`}>Search this type</a>
            </div>
            <EventList events={events.slice(0, SHOWN)} withDate />
          </section>
        </>
      )}
      <Schema polled={catalog} name={name} />
    </>
  );
}

function onlyOf({ totals, counts, ...rest }: Stats, name: string): Stats {
  return {
    ...rest,
    totals: totals.filter(({ eventType }) => eventType === name),
    counts: counts.map(({ start, events }) => ({ start, events: { [name]: events[name] ?? 0 } })),
  };
}

interface PropertiesProps {
  seen: SeenProperty[];
  /** How many payloads were looked at. */
  of: number;
  eventType: string;
}

function Properties({ seen, of, eventType }: PropertiesProps) {
  if (seen.length === 0) return <p class="hint">The payloads of the latest {many(of, 'event')} are empty.</p>;
  return (
    <section aria-labelledby="properties">
      <h2 id="properties">Payload properties, in the latest {many(of, 'event')}</h2>
      <table class="texts">
        <thead>
          <tr>
            <th scope="col">Property</th>
            <th scope="col">Kind</th>
            <th scope="col">In</th>
            <th scope="col">Most frequent</th>
          </tr>
        </thead>
        <tbody>
          {seen.map(({ path, kinds, payloads, values }) => (
            <tr key={path}>
              <td data-name="Property">
                <code>
                  <Exact text={path} />
                </code>
              </td>
              <td data-name="Kind">{kinds.join(', ')}</td>
              <td data-name="In">{Math.round((100 * payloads) / of)} %</td>
              <td data-name="Most frequent">
                <span class="values">
                  {values.map(({ value }) => (
                    <Value key={value} path={path} value={value} eventType={eventType} />
                  ))}
                </span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

const MOST_SHOWN = 40;

function Value({ path, value, eventType }: { path: string; value: string; eventType: string }) {
  const text = asText(value);
  const shown = <Exact text={text} most={MOST_SHOWN} />;
  // Only plain values can be searched for.
  if (/^[[{n]/.test(value)) return <span>{shown}</span>;
  const query = new URLSearchParams({ eventType, member: path, value: text });
  return <a href={`#/search?${query}`}>{shown}</a>;
}

function Schema({ polled, name }: { polled: ReturnType<typeof usePolling<Catalog>>; name: string }) {
  const known = polled.value?.eventTypes.find(({ eventType }) => eventType === name);
  return (
    <section aria-labelledby="schema">
      <h2 id="schema">Schema</h2>
      <Outdated polled={polled} />
      {polled.value && (known?.versions.length ?? 0) === 0 && (
        <p class="hint">The catalog has none: any JSON object is accepted as the payload.</p>
      )}
      {known?.versions.map(({ version, schema }) => (
        <details key={version} open={version === known.versions.at(-1)!.version}>
          <summary>
            Version {version}, mode {known.mode}
          </summary>
          <pre>
            <Exact text={prettyJson(JSON.stringify(schema))} keepsLines />
          </pre>
        </details>
      ))}
    </section>
  );
}

/** Counts know the hour of an event. */
function Hour({ at }: { at: string }) {
  return (
    <time class="time" dateTime={at} title={ago(at)}>
      {date(at)}, {clock(at).slice(0, 5)}
    </time>
  );
}
