// The path of events as OpenTelemetry's traces show it. Off unless a collector is named, and then nothing of it is loaded.
import type { TracingSettings } from '../config/tracing-settings.ts';
import type { Logger } from './logger.ts';

type Attributes = Record<string, string | number | undefined>;

export interface SpanOptions {
  kind: 'server' | 'producer' | 'consumer' | 'client';
  /** The step before, as `traceparent` of W3C Trace Context. */
  parent?: string | undefined;
  /** Steps of other traces that lead here. */
  links?: readonly string[];
  attributes: Attributes;
}

/** A step in progress. */
export interface Span {
  /** What the next step gets as its parent. */
  readonly traceparent: string;
  end(result?: { attributes?: Attributes; error?: unknown }): void;
}

export interface Tracing {
  /** @returns nothing if no collector is told of this step: then those after it need none either */
  start(name: string, options: SpanOptions): Span | undefined;
  /** Sends what is not sent yet, if the collector takes it soon. */
  stop(): Promise<void>;
}

/** @returns nothing if tracing is off */
export async function openTracing(settings: TracingSettings, logger: Logger): Promise<Tracing | undefined> {
  if (settings.OTEL_EXPORTER_OTLP_ENDPOINT === undefined) return undefined;
  const { OpenTelemetry } = await import('./opentelemetry.ts');
  return new OpenTelemetry({ ...settings, endpoint: settings.OTEL_EXPORTER_OTLP_ENDPOINT }, logger);
}

/** Does work as one step, if tracing is on. */
export function traced<T>(
  tracing: Tracing | undefined,
  name: string,
  options: () => SpanOptions | undefined,
  work: (span: Span | undefined) => Promise<T>,
): Promise<T> {
  const given = tracing && options();
  const span = given && tracing?.start(name, given);
  return span === undefined ? work(undefined) : within(span, work);
}

async function within<T>(span: Span, work: (span: Span) => Promise<T>): Promise<T> {
  try {
    const result = await work(span);
    span.end();
    return result;
  } catch (error) {
    span.end({ error });
    throw error;
  }
}

/** Carries a step in the log, from the instance that accepts an event to the one that processes it. */
export const TRACE_HEADER = 'traceparent';

const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;
const SAMPLED = 1;

/** @returns nothing if the text is not a `traceparent` */
export function readTraceparent(
  text: string,
): { traceId: string; spanId: string; traceFlags: number } | undefined {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(text) ?? [];
  if (traceId === undefined) return undefined;
  return { traceId, spanId: spanId!, traceFlags: Number.parseInt(flags!, 16) };
}

/** Whether a collector is told of this step, so that it is worth telling it of the next one. */
export function isSampled(traceparent: string): boolean {
  const known = readTraceparent(traceparent);
  return known !== undefined && (known.traceFlags & SAMPLED) === SAMPLED;
}
