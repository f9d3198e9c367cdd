// Loaded only when tracing is on. Spans are linked by `traceparent` alone: no context follows the code around.
import {
  type Attributes,
  type Context,
  DiagLogLevel,
  diag,
  type Link,
  type Span as OpenTelemetrySpan,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  type IdGenerator,
  ParentBasedSampler,
  RandomIdGenerator,
  type Sampler,
  SamplingDecision,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import packageJson from '../../package.json' with { type: 'json' };
import { withDeadline } from '../clock.ts';
import type { TracingSettings } from '../config/tracing-settings.ts';
import type { Logger } from './logger.ts';
import { readTraceparent, type Span, type SpanOptions, type Tracing } from './tracing.ts';

/** A stop does not wait longer for a collector that does not answer. */
const STOP_MS = 2000;
/** A collector that is down stays so for a while. */
const FAILURE_LOG_INTERVAL_MS = 60_000;

const KINDS = {
  server: SpanKind.SERVER,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
  client: SpanKind.CLIENT,
};

interface OpenTelemetryOptions extends TracingSettings {
  /** Without the path of traces. */
  endpoint: string;
}

export class OpenTelemetry implements Tracing {
  readonly #provider: TracerProvider;
  readonly #tracer: Tracer;
  readonly #sampler: Sampler;
  readonly #ids = new DrawnIds();

  constructor(options: OpenTelemetryOptions, logger: Logger) {
    logFailures(logger);
    const own = { 'service.name': options.OTEL_SERVICE_NAME, 'service.version': packageJson.version };
    const resource = defaultResource()
      .merge(detectResources({ detectors: [envDetector] }))
      .merge(resourceFromAttributes(own));
    const exporter = new OTLPTraceExporter({ url: `${options.endpoint.replace(/\/+$/, '')}/v1/traces` });
    this.#sampler = samplerOf(options);
    this.#provider = new TracerProvider({
      resource,
      // What gets as far as that is sampled.
      sampler: new AlwaysOnSampler(),
      idGenerator: this.#ids,
      spanProcessors: [new BatchSpanProcessor({ exporter })],
    });
    this.#tracer = this.#provider.getTracer('footfall', packageJson.version);
  }

  start(name: string, { kind, parent, links = [], attributes }: SpanOptions): Span | undefined {
    const context = contextOf(parent);
    // Most requests are not traced. Nothing is made for them but the id that decides it.
    if (!this.#isSampled(context, links)) return undefined;
    const linked = links.flatMap((link): Link[] => {
      const linkedContext = spanContextOf(link);
      return linkedContext === undefined ? [] : [{ context: linkedContext }];
    });
    const options = { kind: KINDS[kind], links: linked, attributes: attributes as Attributes };
    return new OwnSpan(this.#tracer.startSpan(name, options, context));
  }

  /** A step that many traces lead to is sampled if one of them is. */
  #isSampled(context: Context, links: readonly string[]): boolean {
    const traceId = trace.getSpanContext(context)?.traceId ?? this.#ids.draw();
    if (links.length > 0) return true;
    const { decision } = this.#sampler.shouldSample(context, traceId, '', SpanKind.INTERNAL, {}, []);
    return decision === SamplingDecision.RECORD_AND_SAMPLED;
  }

  async stop(): Promise<void> {
    await withDeadline(this.#provider.shutdown(), STOP_MS, 'the collector').catch((error) =>
      diag.error((error as Error).message),
    );
  }
}

class OwnSpan implements Span {
  readonly traceparent: string;
  readonly #span: OpenTelemetrySpan;

  constructor(span: OpenTelemetrySpan) {
    this.#span = span;
    const { traceId, spanId, traceFlags } = span.spanContext();
    this.traceparent = `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
  }

  end({ attributes = {}, error }: Parameters<Span['end']>[0] = {}): void {
    this.#span.setAttributes(attributes as Attributes);
    if (error !== undefined) {
      const message = error instanceof Error ? error.message : String(error);
      this.#span.setStatus({ code: SpanStatusCode.ERROR, message });
    }
    this.#span.end();
  }
}

function contextOf(parent: string | undefined): Context {
  const known = parent === undefined ? undefined : spanContextOf(parent);
  return known === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, known);
}

function spanContextOf(traceparent: string): SpanContext | undefined {
  const known = readTraceparent(traceparent);
  return known && { ...known, isRemote: true };
}

/** As of the specification of these two settings. */
function samplerOf({ OTEL_TRACES_SAMPLER: name, OTEL_TRACES_SAMPLER_ARG: ratio }: TracingSettings): Sampler {
  const root = {
    always_on: () => new AlwaysOnSampler(),
    always_off: () => new AlwaysOffSampler(),
    traceidratio: () => new TraceIdRatioBasedSampler(ratio),
  }[name.replace('parentbased_', '') as 'always_on' | 'always_off' | 'traceidratio']();
  return name.startsWith('parentbased_') ? new ParentBasedSampler({ root }) : root;
}

/** Gives a new trace the id by which it was sampled. */
class DrawnIds implements IdGenerator {
  readonly #random = new RandomIdGenerator();
  #drawn = '';

  draw(): string {
    this.#drawn = this.#random.generateTraceId();
    return this.#drawn;
  }

  generateTraceId(): string {
    return this.#drawn;
  }

  generateSpanId(): string {
    return this.#random.generateSpanId();
  }
}

function logFailures(logger: Logger): void {
  let loggedAt = Number.NEGATIVE_INFINITY;
  const log = (message: string) => {
    const now = performance.now();
    if (now - loggedAt < FAILURE_LOG_INTERVAL_MS) return;
    loggedAt = now;
    logger.warn({ reason: message }, 'Traces cannot be sent to the collector; events are not affected');
  };
  const ignore = () => {};
  diag.setLogger(
    { error: log, warn: log, info: ignore, debug: ignore, verbose: ignore },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
}
