import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { describeMetrics } from '../../../scripts/generated-documents.ts';

interface Rule {
  record?: string;
  alert?: string;
  expr: string;
  annotations?: Record<string, string>;
}

interface Panel {
  id: number;
  type: string;
  title: string;
  targets?: { expr: string }[];
}

const { groups } = parse(readFileSync('deploy/prometheus/footfall.rules.yml', 'utf8')) as {
  groups: { rules: Rule[] }[];
};
const rules = groups.flatMap((group) => group.rules);
const alerts = rules.filter(({ alert }) => alert !== undefined);
const recorded = rules.flatMap(({ record }) => record ?? []);
const { panels } = JSON.parse(readFileSync('deploy/grafana/footfall.json', 'utf8')) as { panels: Panel[] };
const queries = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

/** Labels that Prometheus adds, and of buckets. */
const ADDED_LABELS = ['job', 'instance', 'le'];
const metrics = describeMetrics();
/** By the names of their series. */
const labelsOf = new Map(
  metrics.flatMap(({ name, type, labelNames }) => {
    const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
    return suffixes.map((suffix) => [`${name}${suffix}`, [...labelNames, ...ADDED_LABELS]] as const);
  }),
);
const expressions = [...rules.map(({ expr }) => expr), ...queries];

describe('the rules and the dashboard', () => {
  it('use only metrics that there are, and that are recorded', () => {
    const used = expressions.flatMap((expr) => expr.match(/\bfootfall[_:][\w:]+/g) ?? []);
    expect(used.length).toBeGreaterThan(50);
    expect(used.filter((name) => !labelsOf.has(name) && !recorded.includes(name))).toEqual([]);
  });

  it('select only labels that the metric has', () => {
    const selected = expressions.flatMap((expr) =>
      [...expr.matchAll(/\b(footfall_\w+)\{([^}]*)\}/g)].flatMap(([, name, selectors]) =>
        [...selectors!.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map((found) => [name!, found[1]!] as const),
      ),
    );
    expect(selected.filter(([name, label]) => !labelsOf.get(name)?.includes(label))).toEqual([]);
  });

  it('show every metric in a panel, but for warnings, which have none', () => {
    const shown = queries.join(' ');
    const hidden = metrics.filter(({ name }) => !shown.includes(name)).map(({ name }) => name);
    expect(hidden).toEqual([
      'footfall_event_warnings_total',
      'footfall_events_processed_total',
      'footfall_dependency_changed_timestamp_seconds',
    ]);
  });

  it('have an id of its own for each panel', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  });
});

describe.each(alerts)('the alert $alert', ({ alert, expr, annotations }) => {
  it('leads to its line in Troubleshooting', () => {
    const anchor = /^https:\/\/footfall\.example\/docs\/troubleshooting\.md#([\w-]+)$/.exec(
      annotations!.runbook_url!,
    )?.[1];
    expect(readFileSync('docs/troubleshooting.md', 'utf8')).toContain(`| <a id="${anchor}"></a>`);
  });

  it('leads to the panel that shows what it is about', () => {
    const id = /^https:\/\/grafana\.example\/d\/footfall\?viewPanel=(\d+)$/.exec(
      annotations!.dashboard_url!,
    )?.[1];
    const panel = panels.find((one) => one.id === Number(id));
    // Behind the names of recorded results.
    const behind = rules.filter(({ record }) => record !== undefined && expr.includes(record));
    const about = [expr, ...behind.map((rule) => rule.expr)]
      .flatMap((text) => text.match(/\b(footfall_\w+|up)\b/g) ?? [])
      .filter((name) => !name.endsWith('_timestamp_seconds'));
    const shown = panel!.targets!.map((target) => target.expr).join(' ');
    expect(about.filter((name) => shown.includes(name)).length).toBeGreaterThan(0);
  });

  it('is tested', () => {
    expect(readFileSync('deploy/prometheus/footfall.test.yml', 'utf8')).toMatch(
      new RegExp(`alertname[:=] ?"?${alert}\\b`),
    );
  });
});

describe('docs/operations.md', () => {
  const page = readFileSync('docs/operations.md', 'utf8');

  it('names every result that the rules record, and no other', () => {
    const named = page.match(/\bfootfall:[\w:]+/g) ?? [];
    expect([...new Set(named)].sort()).toEqual([...recorded].sort());
  });

  it('answers ten questions', () => {
    expect(page.match(/^\| \d+ \| .+\? \| .*`footfall:/gm)).toHaveLength(10);
  });
});
