// In: metrics in the format of Prometheus. Out: the series of one of them.

export interface Series {
  labels: Record<string, string>;
  value: number;
}

/** @param metric its whole name, with the prefix */
export function seriesOf(text: string, metric: string): Series[] {
  const lines = text.matchAll(new RegExp(`^${metric}(?:\\{(.*)\\})? (\\S+)$`, 'gm'));
  return [...lines].map(([, labels = '', value]) => ({ labels: labelsIn(labels), value: Number(value) }));
}

/** All series of a metric together. */
export function sumOf(text: string, metric: string): number {
  return seriesOf(text, metric).reduce((sum, { value }) => sum + value, 0);
}

function labelsIn(text: string): Record<string, string> {
  const pairs = text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g);
  return Object.fromEntries([...pairs].map(([, name, value]) => [name!, value!]));
}
