import type { DeadLetter, Group, Intake, Stats } from './api.ts';
import { rateOf, type Sample } from './over-time.tsx';
import type { Polled } from './polling.ts';
import { clock, shortDate, utcDay } from './times.ts';
import { count, short } from './words.ts';

interface TilesProps {
  stats: Polled<Stats & { samples: Sample[] }>;
  groups: Polled<{ groups: Group[] }>;
  letters: Polled<{ deadLetters: DeadLetter[] }>;
  intake: Polled<Intake>;
}

/** The figures, each with what it counts. */
export function Tiles({ stats, groups, letters, intake }: TilesProps) {
  return (
    <>
      <dl class="tiles">
        <Tile
          name="Events stored"
          of={stats}
          say={({ total }) => [count(total), 'each once, since the first']}
        />
        <Tile name="Now" of={stats} say={({ samples }) => rate(rateOf(samples))} />
        <Tile
          name="Users today"
          of={stats}
          say={({ activeUsers, day }) => [
            count(activeUsers.find((one) => one.day === day)?.users ?? 0),
            `distinct, on ${utcDay(day)} (UTC)`,
          ]}
        />
        <Tile name="Backlog" href="#/groups" of={groups} say={backlog} />
        <Tile name="Duplicates" of={both(groups, intake)} say={duplicates} />
        <Tile
          name="Rejected"
          href="#/rejected"
          of={intake}
          say={({ rejected, mostRejected }) => [
            count(rejected),
            mostRejected ? `requests*, most ${mostRejected}` : 'requests*',
          ]}
        />
        <Tile
          name="Dead letters"
          href="#/dead-letters"
          of={letters}
          isBad={(letters.value?.deadLetters.length ?? 0) > 0}
          say={({ deadLetters: { length } }) => [
            length === 100 ? '100+' : count(length),
            length === 0 ? 'none waiting' : 'waiting to be looked at',
          ]}
        />
      </dl>
      {intake.value && <p class="hint">* Of this instance, {startedAt(intake.value.since)}.</p>}
    </>
  );
}

function rate(perSecond: number | undefined): [string, string] {
  if (perSecond === undefined) return ['–', 'stored a second, measured from now on…'];
  return [`${short(perSecond)}/s`, 'stored a second, last 10 s'];
}

function backlog({ groups }: { groups: Group[] }): [string, string] {
  const lags = groups.flatMap(({ partitions }) => partitions.map(({ lag }) => lag));
  if (lags.length === 0 || lags.includes(null)) return ['?', 'not known: log unreachable'];
  const lag = lags.reduce<number>((sum, one) => sum + one!, 0);
  return [count(lag), lag === 0 ? 'all that was accepted is stored' : 'accepted, not stored yet'];
}

function duplicates([{ groups }, intake]: [{ groups: Group[] }, Intake]): [string, string] {
  const inLog = groups.flatMap(({ partitions }) => partitions).reduce((sum, one) => sum + one.duplicates, 0);
  return [
    count(inLog + intake.duplicates),
    `${count(intake.duplicates)} at intake*, ${count(inLog)} in the log`,
  ];
}

/** The figures of one instance begin with it. */
function startedAt(since: number): string {
  return Number.isNaN(since) ? 'since it started' : `since ${shortDate(since)}, ${clock(since)}`;
}

/** Two that are read apart: known once both are, and as old as the older. */
function both<A, B>(one: Polled<A>, other: Polled<B>): Polled<[A, B]> {
  const isKnown = one.value !== undefined && other.value !== undefined;
  return {
    value: isKnown ? [one.value as A, other.value as B] : undefined,
    asOf: isKnown ? Math.min(one.asOf!, other.asOf!) : undefined,
    problem: one.problem ?? other.problem,
    since: one.since ?? other.since,
  };
}

interface TileProps<T> {
  name: string;
  of: Polled<T>;
  href?: string;
  isBad?: boolean;
  say(value: T): [value: string, note: string];
}

function Tile<T>({ name, of: { value, problem, asOf }, href, isBad, say }: TileProps<T>) {
  const [figure, note] = value === undefined ? ['–', problem ? 'not known' : 'loading…'] : say(value);
  const isStale = problem !== undefined;
  return (
    <div class={`${isBad ? 'bad' : ''} ${isStale ? 'stale' : ''}`}>
      <dt>{href ? <a href={href}>{name}</a> : name}</dt>
      <dd>
        <strong>{figure}</strong>{' '}
        <span class="hint">{isStale && asOf !== undefined ? `as of ${clock(asOf)}` : note}</span>
      </dd>
    </div>
  );
}
