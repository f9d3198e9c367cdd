import Type from 'typebox';

const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;

/** Named as OpenTelemetry's specification names them. */
export const TRACING_SETTINGS = {
  OTEL_SDK_DISABLED: Type.Boolean({
    default: false,
    description: '`true`: no traces, whatever the other settings of OpenTelemetry are.',
  }),
  OTEL_EXPORTER_OTLP_ENDPOINT: Type.Optional(
    Type.String({
      pattern: '^https?://\\S+$',
      examples: ['http://localhost:4318'],
      description:
        'Address of an OpenTelemetry collector that takes OTLP over HTTP, without `/v1/traces`; not set: no traces.',
    }),
  ),
  OTEL_SERVICE_NAME: Type.String({ default: 'footfall', description: 'Name of this service in traces.' }),
  OTEL_TRACES_SAMPLER: Type.Enum(SAMPLERS, {
    default: 'parentbased_traceidratio',
    description: `Which requests are traced: ${SAMPLERS.map((name) => `\`${name}\``).join(', ')}. \`parentbased_\`: as the caller's \`traceparent\` says, if it sends one.`,
  }),
  OTEL_TRACES_SAMPLER_ARG: Type.Number({
    minimum: 0,
    maximum: 1,
    default: 0.01,
    description: 'Share of the requests that are traced, for the samplers with a ratio.',
  }),
};

const SWITCH = 'OTEL_SDK_DISABLED';

/**
 * Without a collector these are settings of other programs of this machine, whose values may mean nothing here. As the
 * specification has it, only `true` switches off, in upper or lower case.
 */
export function withoutUnusedTracing(given: Record<string, string>): Record<string, string> {
  const isOff = given[SWITCH]?.toLowerCase() === 'true';
  const rest = Object.entries(given).filter(([name]) => !(name in TRACING_SETTINGS));
  const used = given.OTEL_EXPORTER_OTLP_ENDPOINT !== undefined && !isOff ? given : Object.fromEntries(rest);
  return SWITCH in given ? { ...used, [SWITCH]: String(isOff) } : used;
}

const Settings = Type.Object(TRACING_SETTINGS);
export type TracingSettings = Type.Static<typeof Settings>;
