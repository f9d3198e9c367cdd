import { type Group, get, type Partition } from './api.ts';
import { usePolling } from './polling.ts';
import { Outdated } from './problem.tsx';
import { count } from './words.ts';

const POLL_MS = 2000;

/** How far processing is, partition by partition. */
export function GroupsPage() {
  const polled = usePolling(() => get<{ groups: Group[] }>('/consumer-groups'), POLL_MS);
  return (
    <>
      <h1>Consumer groups</h1>
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
  ['Stored', ({ stored }) => count(stored)],
  ['Duplicates', ({ duplicates }) => count(duplicates)],
  ['Dead letters', ({ deadLettered }) => count(deadLettered)],
  ['Lost', ({ lost }) => count(lost)],
] as const satisfies [name: string, value: (partition: Partition) => string | number][];

function Partitions({ group: { group, topic, logReachable, partitions } }: { group: Group }) {
  return (
    <section>
      <h2>{group}</h2>
      <p class="hint">
        reads <code>{topic}</code>
        {!logReachable && '; the log cannot be reached, so the lag is not known'}
      </p>
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
