import { request } from './api.ts';
import { type Condition, narrowed, said } from './conditions.ts';
import { Exact } from './exact.tsx';
import { type Range, timesOf } from './explore-range.ts';
import { NarrowCell, NarrowHead } from './narrow.tsx';
import { untilGone, useReading } from './polling.ts';
import { Problem } from './problem.tsx';
import { clock, date } from './times.ts';
import { count, many, percent } from './words.ts';

/** As `GET /events/stats/difference` answers. */
interface Difference {
  events: number;
  baselineEvents: number;
  comparedFrom: number;
  values: {
    name: string;
    value: string;
    events: number;
    share: number;
    baselineEvents: number;
    baselineShare: number;
    difference: number;
  }[];
}

type Times = Pick<Range, 'from' | 'to'>;

/** In the address: that a part of the plot is to be chosen, and which one was. */
const CHOOSING = 'choose';

export interface Selection {
  isChoosing: boolean;
  chosen: Times | undefined;
}

export function selectionIn(parameters: URLSearchParams): Selection {
  const text = parameters.get('different') ?? '';
  const [from = Number.NaN, to = Number.NaN] = text.split('/').map((time) => Date.parse(time));
  return { isChoosing: text !== '', chosen: from < to ? { from, to } : undefined };
}

export function toSelection(chosen: Times | undefined): string {
  return chosen === undefined
    ? CHOOSING
    : timesOf(chosen)
        .map(([, time]) => time)
        .join('/');
}

/** Counting what is in a million events takes a while. */
const PATIENCE_MS = 60_000;
const MOST_SHOWN = 80;

/** Of so many it is said what they take. */
const MANY = 100_000;

interface PanelProps {
  parameters: URLSearchParams;
  range: Range;
  /** How many events the plot shows, if known. */
  total: number | undefined;
  conditions: Condition[];
  chosen: Times | undefined;
  /** The address of this view with other parameters. */
  toView(parameters: Iterable<Condition>): string;
}

/** What sets the events of a part of the plot apart from the others that it shows. */
export function DifferencePanel(props: PanelProps) {
  const { chosen, parameters } = props;
  return (
    <section class="card different" aria-label="What is different here?">
      <h2>What is different here?</h2>
      {chosen === undefined ? (
        <>
          <p class="empty">
            Drag over a part of the plot, click a bar, or press Enter on one: types, users and values that are
            more frequent in it than in the rest are listed here.
          </p>
          <ReadAhead key={parameters.toString()} {...props} />
        </>
      ) : (
        <Found key={parameters.toString()} {...props} chosen={chosen} />
      )}
    </section>
  );
}

function toQuery(chosen: Times, { conditions, range }: Pick<PanelProps, 'conditions' | 'range'>): string {
  return new URLSearchParams([
    ...conditions,
    ...timesOf(chosen),
    ['baselineFrom', new Date(range.from).toISOString()],
    ['baselineTo', new Date(range.to).toISOString()],
  ]).toString();
}

/** The service keeps what it has read: while the reader is still choosing, it reads what will be compared. */
function ReadAhead(props: PanelProps) {
  const { range, total = 0 } = props;
  const query = toQuery({ from: range.from, to: range.from + range.intervalMs }, props);
  const { value, problem } = useReading((isGone) => readDifference(query, isGone), query);
  if (problem !== undefined) return <Problem text={problem} />;
  if (value !== undefined || total < MANY) return null;
  return (
    <p class="hint" role="status">
      Reading {many(total, 'event')} meanwhile, which takes some seconds for a million. Then each part is
      compared at once.
    </p>
  );
}

function Found(props: PanelProps & { chosen: Times }) {
  const { parameters, chosen, total = 0, toView } = props;
  const query = toQuery(chosen, props);
  const { value: answer, problem } = useReading((isGone) => readDifference(query, isGone), query);
  if (answer === undefined) {
    if (problem !== undefined) return <Problem text={problem} />;
    return (
      <p class="hint">
        Comparing…
        {total > MANY && ` Reading ${many(total, 'event')} takes some seconds for a million the first time.`}
      </p>
    );
  }
  const { events, baselineEvents, values } = answer;
  const others = [...parameters].filter(([name]) => !['different', 'from', 'to', 'last'].includes(name));
  return (
    <>
      <p role="status">
        {many(events, 'event')} from {date(chosen.from)}, {clock(chosen.from)} to {clock(chosen.to)}, compared
        with {many(baselineEvents, 'other')}.{' '}
        <a href={toView([...others, ...timesOf(chosen)])}>Narrow to it</a>
      </p>
      {events === 0 || baselineEvents === 0 || values.length === 0 ? (
        <p class="empty">{whyNone(answer)}</p>
      ) : (
        <Values answer={answer} toOnly={(condition) => toView(narrowed([...parameters], condition))} />
      )}
    </>
  );
}

async function readDifference(query: string, isGone: AbortSignal): Promise<Difference> {
  const signal = untilGone(isGone, PATIENCE_MS);
  return (await request(`/events/stats/difference?${query}`, { signal })).json() as Promise<Difference>;
}

function whyNone({ events, baselineEvents }: Difference): string {
  if (events === 0) return 'There are no events in this part. Choose another one.';
  if (baselineEvents === 0) return 'There are no other events to compare them with. Zoom out to see more.';
  return 'Nothing: no event type, user or payload value is more frequent here than in the rest.';
}

function Values({ answer, toOnly }: { answer: Difference; toOnly(condition: Condition): string }) {
  return (
    <table class="texts breakdown">
      <thead>
        <tr>
          <th scope="col">More frequent here</th>
          <th scope="col" class="number">
            Here
          </th>
          <th scope="col" class="number">
            Elsewhere
          </th>
          <NarrowHead />
        </tr>
      </thead>
      <tbody>
        {answer.values.map(({ name, value, events, share, baselineEvents, baselineShare }) => {
          const [property, operator, text] = said([name, value]);
          return (
            <tr key={`${name}=${value}`}>
              <td data-name="Value">
                <Exact text={property} /> {operator}{' '}
                {operator === 'is' && (
                  <b>
                    <Exact text={text} most={MOST_SHOWN} />
                  </b>
                )}
              </td>
              <td data-name="Here" class="number">
                <meter min={0} max={1} value={share} aria-hidden="true" />
                {percent(share)}
                <span class="hint"> {count(events)}</span>
              </td>
              <td data-name="Elsewhere" class="number">
                <meter min={0} max={1} value={baselineShare} aria-hidden="true" />
                {percent(baselineShare)}
                <span class="hint"> {count(baselineEvents)}</span>
              </td>
              <NarrowCell href={toOnly([name, value])} to={`${property} ${operator} ${text}`} />
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
