// Whether the service works, by its probes. Nothing else on the page says so.
import { computed, signal } from '@preact/signals';
import type { Readiness } from './api.ts';
import { BEAT_MS, EVERY_MS, FRESH_MS } from './status-times.ts';
import { SeenAt } from './time.tsx';

/** What is down, and what that means; without the log, events are not accepted whatever else is down. */
const PARTS = {
  log: {
    title: 'The log is down',
    means: 'No events are accepted until it is back; those accepted before are kept.',
  },
  store: {
    title: 'The store is down',
    means: 'Events are still accepted and wait in the log; nothing can be read.',
    withoutLog: 'Nothing can be read.',
  },
  consumer: {
    title: 'Processing has stopped',
    means: 'Events are still accepted and wait in the log.',
    withoutLog: '',
  },
};

type Part = keyof typeof PARTS;

interface Answer {
  at: number;
  readiness: Readiness;
  isHealthy: boolean;
}

const answer = signal<Answer | undefined>(undefined);
const beat = signal(Date.now());
const silentSince = signal<number | undefined>(undefined);
/** When this page saw each part fail first. */
const failedSince = new Map<Part, number>();

const isFresh = computed(() => answer.value !== undefined && beat.value - answer.value.at < FRESH_MS);

/** The parts that are down; undefined while that is not known. */
export const faults = computed(() => {
  if (!isFresh.value) return undefined;
  const { readiness } = answer.value!;
  return (Object.keys(PARTS) as Part[]).filter((part) => !readiness[part].ok);
});

/** True only while both probes say that all works, and said so just before. */
export const isWell = computed(() => faults.value?.length === 0 && answer.value!.isHealthy);

/** Whether the service was asked and did not answer; false before the first answer, too. */
export const isSilent = computed(() => silentSince.value !== undefined);

async function ask(): Promise<void> {
  const options = { cache: 'no-store', signal: AbortSignal.timeout(FRESH_MS) } as const;
  const [ready, health] = await Promise.all([fetch('/readyz', options), fetch('/health', options)]);
  const readiness = (await ready.json()) as Readiness;
  const at = Date.now();
  for (const part of Object.keys(PARTS) as Part[]) {
    if (readiness[part].ok) failedSince.delete(part);
    else if (!failedSince.has(part)) failedSince.set(part, at);
  }
  silentSince.value = undefined;
  answer.value = { at, readiness, isHealthy: health.ok };
}

async function keepAsking(): Promise<void> {
  for (;;) {
    await ask().catch(() => {
      silentSince.value ??= Date.now();
      answer.value = undefined;
    });
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}

keepAsking();
setInterval(() => {
  beat.value = Date.now();
}, BEAT_MS);

/** What works and what does not, on every view. */
export function Status() {
  if (isWell.value) {
    return (
      <p class="health good">
        <strong>All is well.</strong> Events are accepted, stored and counted.
      </p>
    );
  }
  if (faults.value === undefined) return <Silence />;
  const { readiness, at } = answer.value!;
  return (
    <div class="health bad" role="alert">
      {faults.value.map((part) => (
        <p key={part}>
          <strong>
            {PARTS[part].title} since <SeenAt at={failedSince.get(part) ?? at} />:
          </strong>{' '}
          {readiness[part].reason}. {meaningOf(part, readiness)}
        </p>
      ))}
      {faults.value.length === 0 && (
        <p>
          <strong>The service says that it is degraded.</strong> GET /health answers 503.
        </p>
      )}
    </div>
  );
}

function meaningOf(part: Part, { log }: Readiness): string {
  const { means, withoutLog = means }: { means: string; withoutLog?: string } = PARTS[part];
  return log.ok ? means : withoutLog;
}

function Silence() {
  if (silentSince.value === undefined) return <p class="health unknown">Asking whether all is well…</p>;
  return (
    <div class="health bad" role="alert">
      <p>
        <strong>
          The service does not answer since <SeenAt at={silentSince.value} />.
        </strong>{' '}
        Whether it works is not known. This page asks again until it does; what is shown below is from before.
      </p>
    </div>
  );
}
