import { parseAllDocuments } from 'yaml';

/** An object that the chart renders, as far as it is looked at. */
export interface ChartObject {
  kind: string;
  metadata: { name: string; labels: Labels; annotations?: Record<string, string> };
  spec: {
    replicas?: number;
    /** Of a Service, the labels themselves. */
    selector?: Labels & { matchLabels: Labels };
    podSelector?: { matchLabels: Labels };
    template?: { metadata: { labels: Labels }; spec: PodSpec };
    scaleTargetRef?: { kind: string; name: string };
    endpoints?: { port: string }[];
    ports?: { name: string; targetPort: string }[];
    groups?: unknown;
  };
  data?: Record<string, string>;
}

export type Labels = Record<string, string>;

export interface PodSpec {
  serviceAccountName: string;
  automountServiceAccountToken: boolean;
  terminationGracePeriodSeconds: number;
  securityContext: object;
  containers: [Container];
  volumes: Volume[];
}

interface Container {
  image: string;
  args?: string[];
  env: { name: string; value?: string }[];
  ports?: { name: string; containerPort: number }[];
  securityContext: object;
  resources: { requests: Record<string, string>; limits: Record<string, string> };
  volumeMounts: { name: string; mountPath: string }[];
  [probe: `${string}Probe`]: { httpGet: { path: string; port: string; scheme: string } };
}

interface Volume {
  name: string;
  projected?: { sources: Record<string, { name: string; items: { key: string; path: string }[] }>[] };
}

/** A pod, or what makes pods. */
export interface Workload {
  object: ChartObject;
  labels: Labels;
  pod: PodSpec;
  isHook: boolean;
}

/** @throws Error if the text is not valid YAML, or a key is there twice */
export function readObjects(text: string): ChartObject[] {
  const documents = parseAllDocuments(text);
  for (const { errors } of documents) if (errors[0]) throw errors[0];
  return documents.map((document) => document.toJS()).filter((object) => object !== null);
}

export function workloadsOf(objects: readonly ChartObject[]): Workload[] {
  return objects.flatMap((object) => {
    const isHook = object.metadata.annotations?.['helm.sh/hook'] !== undefined;
    if (object.kind === 'Pod') {
      return { object, labels: object.metadata.labels, pod: object.spec as unknown as PodSpec, isHook };
    }
    const { template } = object.spec ?? {};
    return template ? { object, labels: template.metadata.labels, pod: template.spec, isHook } : [];
  });
}

/** Where the pod gets the files of `/etc/footfall/files` from, such as `secret footfall-keys key`, by name. */
export function filesOf({ volumes }: PodSpec): Record<string, string> {
  const sources = volumes.find(({ name }) => name === 'files')?.projected?.sources ?? [];
  const files = sources.flatMap((source) =>
    Object.entries(source).flatMap(([kind, { name, items }]) =>
      items.map(({ key, path }) => [path, `${kind} ${name} ${key}`] as const),
    ),
  );
  return Object.fromEntries(files);
}

export function isSelected(labels: Labels, selector: Labels): boolean {
  return Object.entries(selector).every(([name, value]) => labels[name] === value);
}
