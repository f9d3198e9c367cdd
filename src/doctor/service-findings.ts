// In: what a running service says of itself. Out: what is wrong with it.
import packageJson from '../../package.json' with { type: 'json' };
import { systemClock } from '../clock.ts';
import { type Config, logKind } from '../config/config.ts';
import type { PlacedFinding } from './finding.ts';
import { buildOf, metricFindings } from './metric-findings.ts';
import { explain, explainConsumer, type Speaker } from './said.ts';
import type { Group, ServiceAnswers } from './service-answers.ts';

/** Younger records are on their way. */
const BEHIND_MS = 60_000;

const WARNING = { severity: 'warning', depth: 'service' } as const;

export function serviceFindings(
  answers: ServiceAnswers,
  url: string,
  config: Config | undefined,
): PlacedFinding[] {
  const { readiness, groups = [], metrics, refused } = answers;
  const build = metrics === undefined ? undefined : buildOf(metrics);
  const speakers = speakersOf(build, config);
  const found: PlacedFinding[] = [...readinessFindings(answers, url, speakers)];
  for (const group of groups) found.push(...groupFindings(group, url));
  if (metrics !== undefined) found.push(...metricFindings(metrics, url));
  if (build !== undefined) found.push(...buildFindings(build, url, config));
  if (refused.length > 0) {
    found.push({
      ...WARNING,
      code: 'key_needed',
      cause: `${url} wants an API key for ${refused.join(' and ')}, which were not looked at`,
      next: 'Give one with the scope read with --key or FOOTFALL_KEY',
      detail: `${url}: 401 or 403`,
    });
  }
  if (readiness.status === 'stopping') {
    found.push({
      ...WARNING,
      code: 'service_stops',
      cause: `Footfall on ${url} is stopping`,
      next: 'Wait for the instance that takes its place',
      detail: `${url}/readyz: stopping`,
    });
  }
  return found;
}

interface Speakers {
  log: Speaker;
  store: Speaker;
}

/** Without the metrics, which may need a key, it most likely runs with the settings here. */
function speakersOf(build: Record<string, string> | undefined, config: Config | undefined): Speakers {
  const log = build?.log ?? (config && logKind(config));
  const store = build?.store ?? config?.store.kind;
  return {
    log: log === 'embedded' ? 'file' : 'kafka',
    store: store === 'sqlite' ? 'file' : 'postgres',
  };
}

function readinessFindings(
  { readiness: { log, store, consumer } }: ServiceAnswers,
  url: string,
  speakers: Speakers,
): PlacedFinding[] {
  const by = `${url}/readyz`;
  const none = 'no reason given';
  return [
    ...(log.ok ? [] : [explain(speakers.log, log.reason ?? none, by)]),
    ...(store.ok ? [] : [explain(speakers.store, store.reason ?? none, by)]),
    ...(consumer.ok ? [] : explainConsumer(consumer.reason ?? none, by, speakers)),
  ];
}

function groupFindings({ group, topic, members, partitions }: Group, url: string): PlacedFinding[] {
  const by = `${url}/consumer-groups`;
  const found: PlacedFinding[] = [];
  if (members?.length === 0) {
    found.push({
      severity: 'error',
      depth: 'group',
      code: 'no_consumer',
      cause: `No process of group ${group} processes events of ${topic}`,
      next: 'Start an instance with ROLE=all or ROLE=consumer; events wait in the log meanwhile',
      detail: `${by}: no members`,
    });
  }
  const held = new Set(members?.flatMap((member) => member.partitions));
  for (const { partition, lag, oldestWaiting, heldBack, lost, unaccounted } of partitions) {
    const waits = oldestWaiting === null ? '' : `, the oldest since ${oldestWaiting}`;
    const place = { severity: 'error', depth: 'partition', detail: `${by}: partition ${partition}` } as const;
    if (unaccounted > 0) {
      const said = `partition ${partition}: the position was moved past ${unaccounted} records that nobody processed`;
      found.push(explain('consumer', said, by));
    }
    if (heldBack > 0) {
      const said = `partition ${partition}: ${heldBack} records are held back by an open transaction${waits}`;
      found.push(explain('consumer', said, by));
    }
    if (members !== null && members.length > 0 && !held.has(partition)) {
      found.push({
        ...place,
        code: 'partition_unassigned',
        cause: `Partition ${partition} of ${topic} is assigned to no member of group ${group}`,
        next: 'Wait for the group to rebalance; a member that subscribes to other topics needs a KAFKA_CONSUMER_GROUP of its own',
      });
    }
    if (oldestWaiting !== null && systemClock.date().getTime() - Date.parse(oldestWaiting) > BEHIND_MS) {
      found.push({
        ...place,
        severity: 'warning',
        code: 'storing_behind',
        cause: `Storing is behind: ${lag} records of partition ${partition} wait${waits}`,
        next: 'Add consumers up to the number of partitions, or see what the store waits for (docs/capacity.md)',
      });
    }
    if (lost > 0) {
      found.push({
        ...place,
        severity: 'warning',
        code: 'records_lost',
        cause: `Kafka deleted ${lost} records of partition ${partition} before they were processed`,
        next: "Increase the topic's retention, and find out why the consumer was behind",
      });
    }
  }
  return found;
}

function buildFindings(
  build: Record<string, string>,
  url: string,
  config: Config | undefined,
): PlacedFinding[] {
  const found: PlacedFinding[] = [];
  const detail = `build_info of ${url}: ${JSON.stringify(build)}`;
  if (build.version !== packageJson.version) {
    found.push({
      ...WARNING,
      code: 'other_version',
      cause: `${url} runs Footfall ${build.version}, and this is ${packageJson.version}`,
      next: 'Use the doctor of the version that runs, or update the instance',
      detail,
    });
  }
  const own = config && { log: logKind(config), store: config.store.kind };
  if (own !== undefined && (own.log !== build.log || own.store !== build.store)) {
    found.push({
      ...WARNING,
      code: 'other_settings',
      cause: `${url} runs on ${build.log} and ${build.store}, and the settings here name ${own.log} and ${own.store}`,
      next: 'Run the doctor with the settings of the service, in its folder or container',
      detail,
    });
  }
  return found;
}
