/** `error`: something does not work. `warning`: it works, and may do harm, or did. */
type Severity = 'error' | 'warning';

/** Where a cause is, from the root on: what is further down may follow from what is further up. */
const DEPTHS = ['settings', 'disk', 'log', 'store', 'service', 'group', 'partition', 'senders'] as const;

/** Something that is wrong, whoever noticed it. */
export interface Finding {
  /** For programs; the same for the same cause. */
  code: string;
  severity: Severity;
  /** What is wrong, in one line. */
  cause: string;
  /** What to do about it, in one line. */
  next: string;
  /** Who says so, and in which words. */
  detail: string;
}

export interface PlacedFinding extends Finding {
  depth: (typeof DEPTHS)[number];
}

/** A cause that is known by what is said of it. */
export interface KnownCause {
  code: string;
  said: RegExp;
  cause: string;
  /** Not given: what is said ends with it, after the last colon or semicolon. */
  next?: string;
}

/** Of which there may be several with different causes. */
const MANY_OF_A_KIND = [
  'settings',
  'settings_doubtful',
  'topic_settings',
  'position_moved',
  'held_back',
  'partition_unassigned',
  'storing_behind',
  'records_lost',
];

/** Errors before warnings, and what causes others before them. Each cause is named once. */
export function ordered(found: readonly PlacedFinding[]): Finding[] {
  const sorted = found.toSorted((one, other) => placeOf(one) - placeOf(other));
  const byCause = new Map<string, Finding>();
  for (const { depth: _depth, ...finding } of sorted) {
    const key = MANY_OF_A_KIND.includes(finding.code) ? finding.cause : finding.code;
    if (!byCause.has(key)) byCause.set(key, finding);
  }
  return [...byCause.values()];
}

function placeOf({ severity, depth }: PlacedFinding): number {
  return (severity === 'error' ? 0 : DEPTHS.length) + DEPTHS.indexOf(depth);
}

/** That of the worst finding. */
export function statusOf(findings: readonly Finding[]): 'ok' | Severity {
  if (findings.some(({ severity }) => severity === 'error')) return 'error';
  return findings.length > 0 ? 'warning' : 'ok';
}
