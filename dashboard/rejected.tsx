import { useEffect, useState } from 'preact/hooks';
import { explain } from './api.ts';
import { Copy } from './copy.tsx';
import { curlOf } from './curl.ts';
import { Exact } from './exact.tsx';
import { prettyJson } from './exact-json.ts';
import { FilterForm, type Given } from './filter-form.tsx';
import { More } from './more.tsx';
import { followNewest, type Pages, type RejectedEvent, readList, withNewer, withOlder } from './newest.ts';
import { Problem } from './problem.tsx';
import { goTo } from './route.ts';
import { Time } from './time.tsx';
import { many } from './words.ts';

const PATH = '/events/rejected';
const POLL_MS = 2000;
/** How often older ones are asked for, until the process answers that has them. */
const TRIES = 6;
const FILTERS = ['code', 'caller'] as const;
/** What can be wrong with what is sent. */
const CODES = [
  'invalid_event',
  'id_conflict',
  'body_not_json',
  'body_not_object',
  'body_not_array',
  'body_missing',
  'body_incomplete',
  'body_too_large',
  'batch_empty',
  'batch_too_large',
  'batch_abandoned',
  'record_refused',
  'unsupported_encoding',
  'unsupported_media_type',
  'bad_request',
];

/** Why events were refused. The address holds what is looked for. */
export function RejectedPage({ parameters }: { parameters: URLSearchParams }) {
  const query: Given = {};
  for (const name of FILTERS) if (parameters.get(name)) query[name] = parameters.get(name)!;
  const codes = query.code === undefined || CODES.includes(query.code) ? CODES : [...CODES, query.code];
  return (
    <>
      <h1>Rejected events</h1>
      <p class="hint">
        Events that this instance refused, with the reason and what was sent: its sender was told the same,
        and has to correct it. Kept in memory, the latest ones, until the service stops.
      </p>
      <FilterForm
        values={query}
        action="Filter"
        apply={({ code = '', caller = '' }) =>
          goTo('rejected', [
            ['code', code],
            ['caller', caller.trim()],
          ])
        }
      >
        <label>
          Error code
          <select name="code">
            <option value="">any</option>
            {codes.map((code) => (
              <option key={code} value={code}>
                {code}
              </option>
            ))}
          </select>
        </label>
        <label>
          Caller
          <input name="caller" autocomplete="off" />
        </label>
      </FilterForm>
      <List key={JSON.stringify(query)} query={query} />
    </>
  );
}

/** One of them. */
export function RefusalPage({ id, process }: { id: string; process: string | null }) {
  const [refusal, setRefusal] = useState<RejectedEvent | 'gone'>();
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    readList<RejectedEvent>(PATH, { limit: '1', cursor: String(Number(id) + 1) }).then(
      ({ items: [found], ...page }) => {
        const isSame = found?.id === id && (process === null || page.process === process);
        setRefusal(isSame ? found : 'gone');
      },
      (error: unknown) => setProblem(explain(error)),
    );
  }, []);
  return (
    <>
      <h1>Rejected event</h1>
      <p>
        <a href="#/rejected">All rejected events</a>
      </p>
      <Problem text={problem} />
      {refusal === 'gone' && (
        <p class="empty">
          It is no longer kept, as newer ones took its place or the service was started again; or another
          process of the service has it. Reload the page to ask again.
        </p>
      )}
      {refusal !== undefined && refusal !== 'gone' && (
        <>
          <p class="lead">
            <Heading refusal={refusal} />
          </p>
          <Refusal refusal={refusal} />
        </>
      )}
    </>
  );
}

function List({ query }: { query: Record<string, string> }) {
  const { rows, isAll, problem, isLoading, more } = useRejected(query);
  return (
    <section aria-label="Rejected events" aria-busy={isLoading}>
      <Problem text={problem} />
      {rows === undefined && problem === undefined && <p class="hint">Loading…</p>}
      {rows?.length === 0 && <None isFiltered={Object.keys(query).length > 0} />}
      {rows && rows.length > 0 && (
        <>
          <p class="hint" role="status">
            {many(rows.length, 'rejected event')}
            {!isAll && ' so far'}, newest first
          </p>
          <ul class="letters refusals">
            {rows.map(({ process, one }) => (
              <li key={`${process} ${one.id}`}>
                <details>
                  <summary>
                    <Heading refusal={one} />
                  </summary>
                  <Refusal refusal={one} />
                </details>
              </li>
            ))}
          </ul>
        </>
      )}
      <More more={more} isLoading={isLoading} />
    </section>
  );
}

function None({ isFiltered }: { isFiltered: boolean }) {
  if (isFiltered) {
    return (
      <p class="empty">
        None match: codes and names of callers are exact. <a href="#/rejected">Show all</a>
      </p>
    );
  }
  return (
    <div class="empty">
      <p>No event was rejected since this instance started.</p>
      <p>
        If events are missing, look at the answer that their sender got. An event without a user, or of a type
        that is not known, is answered with 400 and appears here with its body. What passes by itself (429 and
        5xx) and requests without a valid key are not listed. <a href="#/send">Send an event by hand</a> to
        try.
      </p>
    </div>
  );
}

/** When, and why in one line. */
function Heading({ refusal: { rejectedAt, code, errors } }: { refusal: RejectedEvent }) {
  return (
    <>
      <strong class="of-rejected">{code}</strong>{' '}
      <span class="hint">
        <Time at={rejectedAt} show="full" />
      </span>
      <span class="reason">
        <Exact text={errors.join('; ')} />
      </span>
    </>
  );
}

function Refusal({ refusal }: { refusal: RejectedEvent }) {
  const { caller, path, body, truncated } = refusal;
  return (
    <>
      <p class="hint">
        Sent to <code>POST {path}</code>
        {caller !== null && (
          <>
            {' '}
            by <Exact text={caller} />
          </>
        )}
      </p>
      {body === null ? (
        <p class="hint">Its body was not read, so there is nothing to show.</p>
      ) : (
        <pre>
          <Exact text={readable(body)} keepsLines />
        </pre>
      )}
      {truncated && <p class="hint">Only its beginning was kept: a copy is not whole either.</p>}
      <div class="choices">
        <Copy text={JSON.stringify(refusal, null, 2)} title="Copy as JSON" />
        {body !== null && !truncated && <Copy text={commandFor(path, body)} title="Copy as curl" />}
      </div>
    </>
  );
}

function readable(body: string): string {
  try {
    JSON.parse(body);
    return prettyJson(body);
  } catch {
    // As it was sent: what is wrong with it may be in its form.
    return body;
  }
}

const LISTS: Record<string, string> = { '/events/batch': 'application/json' };
const TYPES: Record<string, string> = { '/cloudevents': 'application/cloudevents+json' };

/** An element of a list is sent as a list of one. */
function commandFor(path: string, body: string): string {
  const isElement = path in LISTS && body.trimStart().startsWith('{');
  return curlOf(path, isElement ? `[${body}]` : body, TYPES[path] ?? LISTS[path]);
}

interface Rejected {
  /** Newest first, each with the process that keeps it; undefined before the first answer. */
  rows: { process: string; one: RejectedEvent }[] | undefined;
  isAll: boolean;
  problem: string | undefined;
  isLoading: boolean;
  more: (() => void) | undefined;
}

/** The newest as they come, and older ones when they are asked for: of every process of the instance that answers. */
function useRejected(query: Given): Rejected {
  const [pages, setPages] = useState<Pages<RejectedEvent>>(new Map());
  const [problem, setProblem] = useState<string>();
  const [isLoading, setLoading] = useState(false);
  useEffect(() => {
    const read = (after: string | undefined) =>
      readList<RejectedEvent>(PATH, { ...query, ...(after !== undefined && { after }) });
    return followNewest(read, POLL_MS, {
      onPage: (newest) => setPages((listed) => withNewer(listed, newest)),
      onProblem: setProblem,
    });
  }, []);
  const unfinished = [...pages.values()].filter(({ next }) => next !== null);

  async function more(): Promise<void> {
    if (isLoading) return;
    setLoading(true);
    try {
      const older = await readOlder(query, pages);
      if (older) setPages((listed) => withOlder(listed, older));
      else setProblem('The process that has older ones did not answer. Try again.');
    } catch (error) {
      setProblem(explain(error));
    }
    setLoading(false);
  }
  const rows = [...pages.values()]
    .flatMap(({ process, items }) => items.map((one) => ({ process, one })))
    .sort((a, b) => Date.parse(b.one.rejectedAt) - Date.parse(a.one.rejectedAt));
  return {
    rows: pages.size === 0 ? undefined : rows,
    isAll: unfinished.length === 0,
    problem,
    isLoading,
    more: unfinished.length === 0 ? undefined : more,
  };
}

/**
 * Any process may answer, and only one of its own ids says something to it. Where they take turns, the right one is
 * next; where always the same answers, it is asked for its own.
 */
async function readOlder(query: Given, pages: Pages<RejectedEvent>) {
  let asked = [...pages.values()].find(({ next }) => next !== null)!;
  for (let tries = 1; tries <= TRIES; tries++) {
    const older = await readList<RejectedEvent>(PATH, { ...query, cursor: asked.next! });
    if (older.process === asked.process) return older;
    const answering = pages.get(older.process);
    if (answering?.next && tries % 2 === 0) asked = answering;
  }
  return undefined;
}
