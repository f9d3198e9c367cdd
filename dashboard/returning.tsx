import { useMemo } from 'preact/hooks';
import { request } from './api.ts';
import { FilterForm, type Given, TypeField } from './filter-form.tsx';
import { ExploreViews } from './period.tsx';
import { untilGone, useReading } from './polling.ts';
import { Problem } from './problem.tsx';
import { goTo } from './route.ts';
import { mondayBefore, shortDate, timeZone, zone } from './times.ts';
import { count, many, percent } from './words.ts';

/** As `GET /events/stats/returning` answers. */
interface Returning {
  weeks: Week[];
}

interface Week {
  start: string;
  users: number;
  /** Of each week after. */
  returned: number[];
}

const WEEKS = [4, 8, 12, 26, 52];
const USUAL_WEEKS = 8;
/** Counting millions of events takes a while. */
const PATIENCE_MS = 60_000;
const PATH = 'explore/returning';

/** Users by the week of their first event, and in which weeks they come back. */
export function ReturningPage({ parameters }: { parameters: URLSearchParams }) {
  const eventType = parameters.get('eventType') ?? '';
  const weeks = Number(parameters.get('weeks')) || USUAL_WEEKS;
  const zoneName = timeZone();
  const query = useMemo(() => {
    const from = mondayBefore(Date.now(), weeks - 1);
    return new URLSearchParams({ from, timeZone: zoneName, ...(eventType && { eventType }) }).toString();
  }, [weeks, eventType, zone.value]);
  const apply = ({ eventType = '', weeks = '' }: Given) => goTo(PATH, Object.entries({ eventType, weeks }));
  return (
    <>
      <h1>Returning users</h1>
      <ExploreViews current={PATH} />
      <FilterForm values={{ eventType, weeks: String(weeks) }} action="Apply" apply={apply}>
        <label>
          Weeks
          <select name="weeks">
            {WEEKS.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
        <TypeField />
      </FilterForm>
      <Weeks key={query} query={query} zoneName={zoneName} />
    </>
  );
}

async function readReturning(query: string, isGone: AbortSignal): Promise<Returning> {
  const signal = untilGone(isGone, PATIENCE_MS);
  return (await request(`/events/stats/returning?${query}`, { signal })).json() as Promise<Returning>;
}

function Weeks({ query, zoneName }: { query: string; zoneName: string }) {
  const { value: answer, problem } = useReading((isGone) => readReturning(query, isGone), query);
  if (answer === undefined) {
    return problem === undefined ? <p class="hint">Counting…</p> : <Problem text={problem} />;
  }
  const { weeks } = answer;
  const users = weeks.reduce((sum, week) => sum + week.users, 0);
  if (users === 0) return <p class="empty">No users have events in these weeks. Choose more weeks.</p>;
  return (
    <section class="card" aria-label="Users by week">
      <p class="lead" role="status">
        {many(users, 'user')} in {many(weeks.length, 'week')}
      </p>
      <p class="hint">
        By the week of their first event in this time, with the share of them that has events in each week
        after. Weeks begin on Monday ({zoneName}); the latest is not over.
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: who has no pointer scrolls it with keys. */}
      <section class="wide" tabIndex={0} aria-label="Returning users by week">
        <table class="cohorts">
          <thead>
            <tr>
              <th scope="col">Week of</th>
              <th scope="col" class="number">
                Users
              </th>
              {weeks.slice(1).map(({ start }, after) => (
                <th key={start} scope="col" class="number">
                  +{after + 1}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {weeks.map((week) => (
              <Row key={week.start} week={week} columns={weeks.length - 1} />
            ))}
          </tbody>
        </table>
      </section>
    </section>
  );
}

function Row({ week: { start, users, returned }, columns }: { week: Week; columns: number }) {
  return (
    <tr>
      <th scope="row">{shortDate(start)}</th>
      <td class="number">{count(users)}</td>
      {Array.from({ length: columns }, (_, after) => {
        const back = returned[after];
        const key = `+${after + 1}`;
        if (back === undefined || users === 0) return <td key={key} />;
        const share = back / users;
        return (
          <td
            key={key}
            class="number share"
            style={{ '--share': share }}
            title={`${count(back)} of ${count(users)}`}
          >
            {percent(share)}
          </td>
        );
      })}
    </tr>
  );
}
