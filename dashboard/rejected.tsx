import { useEffect, useRef, useState } from 'preact/hooks';
import { explain } from './api.ts';
import { Copy } from './copy.tsx';
import { curlOf } from './curl.ts';
import { Exact } from './exact.tsx';
import { prettyJson } from './exact-json.ts';
import { More } from './more.tsx';
import { followNewest, type Page, type RejectedEvent, readRejected } from './newest.ts';
import { Problem } from './problem.tsx';
import { goTo } from './route.ts';
import { Time } from './time.tsx';
import { many } from './words.ts';

const POLL_MS = 2000;
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
  const form = useRef<HTMLFormElement>(null);
  const query: Record<string, string> = {};
  for (const name of FILTERS) if (parameters.get(name)) query[name] = parameters.get(name)!;
  const key = JSON.stringify(query);
  useEffect(() => {
    for (const field of form.current!.querySelectorAll<HTMLInputElement | HTMLSelectElement>('[name]'))
      field.value = query[field.name] ?? '';
  }, [key]);
  function apply(event: SubmitEvent) {
    event.preventDefault();
    const given = new FormData(form.current!);
    goTo(
      'rejected',
      FILTERS.map((name): [string, string] => [name, String(given.get(name)).trim()]),
    );
  }
  const codes = query.code === undefined || CODES.includes(query.code) ? CODES : [...CODES, query.code];
  return (
    <>
      <h1>Rejected events</h1>
      <p class="hint">
        Events that this instance refused, with the reason and what was sent: its sender was told the same,
        and has to correct it. Kept in memory, the latest ones, until the service stops.
      </p>
      <form class="filters" ref={form} onSubmit={apply}>
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
        <button type="submit">Filter</button>
      </form>
      <List key={key} query={query} />
    </>
  );
}

/** One of them. */
export function RefusalPage({ id, process }: { id: string; process: string | null }) {
  const [refusal, setRefusal] = useState<RejectedEvent | 'gone'>();
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    readRejected({ limit: '1', cursor: String(Number(id) + 1) }).then(
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
          It is no longer kept: newer ones took its place, or the service was started again.
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
  const { page, problem, isLoading, more } = useRejected(query);
  return (
    <section aria-label="Rejected events" aria-busy={isLoading}>
      <Problem text={problem} />
      {page === undefined && problem === undefined && <p class="hint">Loading…</p>}
      {page?.items.length === 0 && <None isFiltered={Object.keys(query).length > 0} />}
      {page && page.items.length > 0 && (
        <>
          <p class="hint" role="status">
            {many(page.items.length, 'rejected event')}
            {page.next !== null && ' so far'}, newest first
          </p>
          <ul class="letters refusals">
            {page.items.map((one) => (
              <li key={`${page.process} ${one.id}`}>
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
  page: Page<RejectedEvent> | undefined;
  problem: string | undefined;
  isLoading: boolean;
  more: (() => void) | undefined;
}

/** The newest as they come, and older ones when they are asked for. */
function useRejected(query: Record<string, string>): Rejected {
  const [page, setPage] = useState<Page<RejectedEvent>>();
  const [problem, setProblem] = useState<string>();
  const [isLoading, setLoading] = useState(false);
  useEffect(() => {
    const read = (after: string | undefined) =>
      readRejected({ ...query, ...(after !== undefined && { after }) });
    return followNewest(read, POLL_MS, {
      onPage: (newest) => setPage((listed) => withNewer(listed, newest)),
      onProblem: setProblem,
    });
  }, []);

  async function more(): Promise<void> {
    if (isLoading) return;
    setLoading(true);
    try {
      const older = await readRejected({ ...query, cursor: page!.next! });
      if (older.process === page!.process)
        setPage((listed) => ({ ...older, items: [...listed!.items, ...older.items] }));
    } catch (error) {
      setProblem(explain(error));
    }
    setLoading(false);
  }
  return { page, problem, isLoading, more: page?.next ? more : undefined };
}

/** Where there are more new ones than a page holds, or another process answers, what was listed before is let go. */
function withNewer(
  listed: Page<RejectedEvent> | undefined,
  newest: Page<RejectedEvent>,
): Page<RejectedEvent> {
  if (listed?.process !== newest.process || newest.next !== null) return newest;
  return newest.items.length === 0 ? listed : { ...listed, items: [...newest.items, ...listed.items] };
}
