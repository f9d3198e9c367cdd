import type { ComponentChildren } from 'preact';
import { type Group, get, type Partition } from './api.ts';
import { History } from './history.tsx';
import { usePolling } from './polling.ts';
import { Outdated } from './problem.tsx';
import { Time } from './time.tsx';
import { count } from './words.ts';

const POLL_MS = 2000;

/** How processing has gone in the last hours, and how far it is, partition by partition. */
export function GroupsPage({ parameters }: { parameters: URLSearchParams }) {
  const polled = usePolling(() => get<{ groups: Group[] }>('/consumer-groups'), POLL_MS);
  return (
    <>
      <h1>Operations</h1>
      <History parameters={parameters} />
      <h2>Consumer groups</h2>
      <p class="hint">Duplicates are those found in the log; those answered at intake are on the overview.</p>
      <Outdated polled={polled} />
      {polled.value?.groups.map((group) => (
        <Partitions key={group.group} group={group} />
      ))}
    </>
  );
}

const COLUMNS = [
  ['Partition', ({ partition }) => partition],
  ['Processed to', ({ position }) => position ?? '–'],
  ['Log ends at', ({ end }) => end ?? '?'],
  ['Lag', ({ lag }) => (lag === null ? '?' : count(lag))],
  ['Oldest waiting', ({ oldestWaiting }) => (oldestWaiting ? <Time at={oldestWaiting} show="clock" /> : '–')],
  ['Stored', ({ stored }) => count(stored)],
  ['Duplicates', ({ duplicates }) => count(duplicates)],
  ['Dead letters', ({ deadLettered }) => count(deadLettered)],
  ['Lost', ({ lost }) => count(lost)],
] as const satisfies [name: string, value: (partition: Partition) => ComponentChildren][];

function Partitions({ group: { group, topic, logReachable, members, partitions } }: { group: Group }) {
  return (
    <section class="group">
      <h3>{group}</h3>
      <p class="hint">
        reads <code>{topic}</code>
        {!logReachable && '; the log cannot be reached, so the lag is not known'}
      </p>
      <Members members={members} />
      <table>
        <thead>
          <tr>
            {COLUMNS.map(([name]) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {partitions.map((partition) => (
            <tr key={partition.partition}>
              {COLUMNS.map(([name, value]) => (
                <td key={name} data-name={name}>
                  {value(partition)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Members({ members }: Pick<Group, 'members'>) {
  if (members === null)
    return (
      <p class="hint">
        Its members are not known: Kafka cannot be reached, or does not allow Describe on the group.
      </p>
    );
  if (members.length === 0) return <p class="problem">No process reads as part of this group.</p>;
  return (
    <ul class="plain processes">
      {members.map(({ id, host, partitions }) => (
        <li key={id}>
          <code>{id}</code> on {host}: {named(partitions)}
        </li>
      ))}
    </ul>
  );
}

function named(partitions: readonly number[]): string {
  if (partitions.length === 0) return 'no partition';
  return `${partitions.length === 1 ? 'partition' : 'partitions'} ${partitions.join(', ')}`;
}
