// In: the metrics of a running service. Out: what they tell of its senders, its log and its store.
import { type Series, seriesOf } from '../observability/metrics-text.ts';
import type { PlacedFinding } from './finding.ts';

interface Rule extends Pick<PlacedFinding, 'code' | 'next' | 'depth'> {
  /** Without its prefix. */
  metric: string;
  /** Counted are series with these labels. */
  where?: (labels: Series['labels']) => boolean;
  cause(count: number): string;
}

/** All are about the time since the process started, except what waits now. */
const RULES: readonly Rule[] = [
  {
    code: 'connections_short',
    depth: 'store',
    metric: 'store_connections',
    where: ({ state }) => state === 'waiting',
    cause: (count) => `${count} uses wait for a connection to PostgreSQL`,
    next: 'Raise DATABASE_POOL_SIZE if PostgreSQL has cores to spare; otherwise find the slow operation first',
  },
  {
    code: 'appends_failed',
    depth: 'log',
    metric: 'append_failures_total',
    cause: (count) => `The log did not confirm ${count} events, whose senders were told so`,
    next: 'Check the brokers, their disks and the network; senders can send again',
  },
  {
    code: 'records_lost',
    depth: 'partition',
    metric: 'data_gap_records_total',
    cause: (count) => `Kafka deleted ${count} records before they were processed`,
    next: "Increase the topic's retention, and find out why the consumer was behind",
  },
  {
    code: 'log_went_back',
    depth: 'partition',
    metric: 'log_rewound_records_total',
    cause: (count) => `The log went back in time: ${count} records processed from it are gone there`,
    next: 'Find out which broker lost them (unclean leader election, restored backup); Footfall goes on by itself',
  },
  {
    code: 'position_went_back',
    depth: 'partition',
    metric: 'reading_restarts_total',
    cause: (count) =>
      `Reading was restarted ${count} times, because a position in the store was not where this instance left it`,
    next: 'Nothing, if positions were reset, the database was restored or edited, or the group was rebalanced: each event is stored once',
  },
  {
    code: 'client_stalled',
    depth: 'partition',
    metric: 'watchdog_restarts_total',
    cause: (count) => `The Kafka client stopped delivering without an error, ${count} times`,
    next: 'Nothing: the instance rejoined the group. If it happens often, check the network, and tell us',
  },
  {
    code: 'dead_letters',
    depth: 'partition',
    metric: 'dead_letters_waiting',
    cause: (count) => `${count} records that are not valid events wait as dead letters`,
    next: 'See what they are and who wrote them: footfall dead-letters list',
  },
  {
    code: 'overloaded',
    depth: 'senders',
    metric: 'overload_rejections_total',
    cause: (count) => `${count} requests were refused because too many were in progress`,
    next: 'Add instances, or raise MAX_IN_FLIGHT_REQUESTS and MAX_IN_FLIGHT_BYTES if there is memory',
  },
  {
    code: 'rate_limited',
    depth: 'senders',
    metric: 'events_rejected_total',
    where: ({ code }) => code === 'rate_limited',
    cause: (count) => `${count} requests or events were over a rate limit`,
    next: 'Raise eventsPerSecond of the key or RATE_LIMIT_EVENTS_PER_SECOND, or let the sender go slower',
  },
  {
    code: 'keys_refused',
    depth: 'senders',
    metric: 'requests_refused_total',
    where: ({ code }) => KEY_REFUSALS.includes(code!),
    cause: (count) => `${count} requests came without a key that allows them (401 or 403)`,
    next: 'Find their address in the log ("Request refused"), and give the sender a key: footfall keys create',
  },
  {
    code: 'id_conflicts',
    depth: 'senders',
    metric: 'events_duplicate_total',
    where: ({ kind }) => kind === 'conflict',
    cause: (count) => `${count} events had the id of a different event, and got 409`,
    next: 'Let the sender give each event an id of its own',
  },
];

const KEY_REFUSALS = ['unauthorized', 'forbidden', 'origin_not_allowed', 'host_not_allowed'];
const PREFIX = 'footfall_';

export function metricFindings(text: string, url: string): PlacedFinding[] {
  const since = startOf(text);
  return RULES.flatMap(({ code, depth, metric, where = () => true, cause, next }) => {
    const series = seriesOf(text, PREFIX + metric).filter(({ labels }) => where(labels));
    const count = series.reduce((sum, { value }) => sum + value, 0);
    if (count === 0) return [];
    const parts = series
      .filter(({ value }) => value > 0)
      .map(({ labels, value }) => `${Object.values(labels).join(' ') || 'all'}: ${value}`);
    const detail = `${PREFIX}${metric} of ${url}, which runs since ${since}: ${parts.join(', ')}`;
    return [{ code, severity: 'warning' as const, depth, cause: cause(count), next, detail }];
  });
}

function startOf(text: string): string {
  const seconds = seriesOf(text, `${PREFIX}process_start_time_seconds`).map(({ value }) => value);
  return seconds.length === 0 ? 'an unknown time' : new Date(Math.max(...seconds) * 1000).toISOString();
}

/** Which version runs, on what. */
export function buildOf(text: string): Record<string, string> | undefined {
  return seriesOf(text, `${PREFIX}build_info`)[0]?.labels;
}
