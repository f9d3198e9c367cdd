// In: what a dependency says, in its own words or in Footfall's. Out: what is wrong with it, and what to do.
import { CONSUMER_CAUSES } from './consumer-causes.ts';
import { FILE_CAUSES } from './file-causes.ts';
import type { PlacedFinding } from './finding.ts';
import { KAFKA_CAUSES } from './kafka-causes.ts';
import { POSTGRES_CAUSES } from './postgres-causes.ts';

const SPEAKERS = {
  file: { causes: FILE_CAUSES, depth: 'disk', unknown: 'The data file cannot be used' },
  kafka: { causes: KAFKA_CAUSES, depth: 'log', unknown: 'Kafka does not work' },
  postgres: { causes: POSTGRES_CAUSES, depth: 'store', unknown: 'PostgreSQL does not work' },
  consumer: { causes: CONSUMER_CAUSES, depth: 'group', unknown: 'The consumer does not work' },
} as const;

export type Speaker = keyof typeof SPEAKERS;

const LOOK_IT_UP = 'Look for these words in docs/troubleshooting.md';

/**
 * @param said one sentence
 * @param by who has heard it
 */
export function explain(
  speaker: Speaker,
  said: string,
  by: string,
  severity: PlacedFinding['severity'] = 'error',
): PlacedFinding {
  const { causes, depth, unknown } = SPEAKERS[speaker];
  const known = causes.find((one) => one.said.test(said));
  return {
    code: known?.code ?? speaker,
    severity,
    cause: `${known?.cause ?? unknown}: ${said}`,
    next: known === undefined ? LOOK_IT_UP : (known.next ?? adviceIn(said)),
    detail: `${by}: ${said}`,
    depth,
  };
}

/** Where one reason of a consumer ends and the next begins; each reason may contain semicolons of its own. */
const NEXT_REASON = /; (?=partition \d|the log cannot|the store cannot|no progress|the consumer is)/;
const STORE_FAILED = /^(?:the store cannot be reached|partition \d+ cannot be stored): (.+)$/s;
const LOG_FAILED = /^(?:the log cannot be read|partition \d+ cannot be read): (.+)$/s;

/** What keeps a consumer from storing: it repeats the words of log and store, after its own. */
export function explainConsumer(
  said: string,
  by: string,
  { log, store }: { log: Speaker; store: Speaker },
): PlacedFinding[] {
  return said.split(NEXT_REASON).map((reason) => {
    const ofStore = STORE_FAILED.exec(reason)?.[1];
    // To store a batch, its dead letters are appended to the log first.
    if (ofStore !== undefined)
      return explain(knows(log, ofStore) && !knows(store, ofStore) ? log : store, ofStore, by);
    const ofLog = LOG_FAILED.exec(reason)?.[1];
    return ofLog === undefined ? explain('consumer', reason, by) : explain(log, ofLog, by);
  });
}

function knows(speaker: Speaker, said: string): boolean {
  return SPEAKERS[speaker].causes.some((one) => one.said.test(said));
}

/** A sentence of Footfall ends with what to change. */
function adviceIn(said: string): string {
  const advice = /[:;.] (?!.*[:;.] )(.+)$/.exec(said)?.[1] ?? LOOK_IT_UP;
  return advice[0]!.toUpperCase() + advice.slice(1);
}
