// In: an event type and a payload. Out: whether the catalog has the type, and what its schemas say about the payload.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ErrorObject } from 'ajv/dist/2020.js';
import type { Clock } from '../clock.ts';
import { DEFAULT_LEVELS } from '../json/nesting.ts';
import { type CheckPayload, MODE_KEYWORD, RETENTION_KEYWORD, schemaCompiler } from './payload-schemas.ts';
import { MOST_RETENTION_DAYS, RetentionDays } from './retention-days.ts';

/**
 * `enforce`: an event that violates the schema is rejected. `warn`: it is accepted with a warning. `accept`: no checks.
 */
export const MODES = ['enforce', 'warn', 'accept'] as const;
type Mode = (typeof MODES)[number];

/** The types that always exist. */
const CORE_EVENT_TYPES = ['LOGIN', 'LOGOUT', 'PRODUCT_VIEW'] as const;

/** The message kinds of Segment's libraries: their routes accept them whatever the catalog holds. */
export const MESSAGE_TYPES = ['track', 'identify', 'page', 'screen', 'group', 'alias'] as const;
export type MessageType = (typeof MESSAGE_TYPES)[number];

/** One type as `GET /event-types` shows it. */
interface EventTypeDescription {
  eventType: string;
  mode: Mode;
  /** Only where events are not kept for good. */
  retentionDays?: number | undefined;
  /** Newest first; empty: any payload is valid. */
  versions: { version: number; schema: object }[];
}

/** The result of the schema checks: `errors` reject the payload, `warnings` do not. */
interface PayloadFindings {
  errors: string[];
  warnings: string[];
}

interface Version {
  version: number;
  schema: Record<string, unknown>;
  check: CheckPayload;
}

const FILE = /^(?<eventType>.+)\.(?<version>[1-9]\d{0,8})\.json$/;
const MAX_FINDING_LENGTH = 200;
const NONE: PayloadFindings = { errors: [], warnings: [] };

interface CatalogOptions {
  /** The folder of the schema files; without it there are only the core types. */
  folder?: string | undefined;
  /** Whether events of types missing from the catalog are accepted; default: false. */
  allowsUnknownTypes?: boolean;
  maxLevels?: number;
  /** For how many days events are kept whose type does not say so; default: for good. */
  retentionDays?: number | undefined;
  clock?: Pick<Clock, 'date' | 'now'> | undefined;
}

/**
 * The known event types. A folder holds `TYPE.VERSION.json` files, each the JSON Schema (2020-12) of a payload; a
 * payload is valid if any version of its type accepts it, so clients can migrate in their own time. The newest version
 * sets the mode (`x-mode`, default `enforce`) and for how many days its events are kept (`x-retention-days`), and its
 * errors are the ones reported.
 */
export class Catalog {
  /** By name, newest version first. */
  readonly #types = new Map<string, Version[]>();
  /** Whether events of types missing from the catalog are accepted. */
  readonly allowsUnknownTypes: boolean;
  /** The deepest nesting of objects and arrays allowed in a list that contains an event. */
  readonly maxLevels: number;
  readonly retention: RetentionDays;

  /**
   * @throws Error that names every invalid file, one per line
   */
  constructor(options: CatalogOptions = {}) {
    const { folder, allowsUnknownTypes = false, maxLevels = DEFAULT_LEVELS, retentionDays, clock } = options;
    this.allowsUnknownTypes = allowsUnknownTypes;
    this.maxLevels = maxLevels;
    for (const eventType of CORE_EVENT_TYPES) this.#types.set(eventType, []);
    const problems = folder === undefined ? [] : this.#load(folder);
    if (problems.length > 0) throw new Error(problems.join('\n'));
    const types = [...this.#types].flatMap(([eventType, [newest]]) => {
      const days = retentionDaysOf(newest?.schema);
      return days === undefined ? [] : [[eventType, days] as const];
    });
    this.retention = new RetentionDays({ overall: retentionDays, types: new Map(types), clock });
  }

  has(eventType: string): boolean {
    return this.allowsUnknownTypes || this.#types.has(eventType);
  }

  /** Whether records of a type are events: of the catalog, or messages that arrived through their own routes. */
  isRecorded(eventType: string): boolean {
    return this.has(eventType) || MESSAGE_TYPES.includes(eventType as MessageType);
  }

  /** The names of all types; undefined if others are accepted too. */
  get names(): string[] | undefined {
    return this.allowsUnknownTypes ? undefined : [...this.#types.keys()];
  }

  /** Every type, in the order of the catalog. */
  describe(): EventTypeDescription[] {
    return [...this.#types].map(([eventType, versions]) => ({
      eventType,
      mode: modeOf(versions[0]?.schema),
      retentionDays: this.retention.of(eventType),
      versions: versions.map(({ version, schema }) => ({ version, schema })),
    }));
  }

  /** @param payload parsed; each finding starts with the JSON pointer of its subject, from the event's root */
  check(eventType: string, payload: unknown): PayloadFindings {
    const versions = this.#types.get(eventType) ?? [];
    const newest = versions[0];
    if (newest === undefined) return NONE;
    const mode = modeOf(newest.schema);
    if (mode === 'accept') return NONE;
    const [error, ...older] = versions.map(({ check }) => check(payload));
    if (error === undefined || older.includes(undefined)) return NONE;
    const findings = [describeError(error)];
    return mode === 'warn' ? { errors: [], warnings: findings } : { errors: findings, warnings: [] };
  }

  #load(folder: string): string[] {
    const problems: string[] = [];
    const compile = schemaCompiler();
    for (const file of readdirSync(folder).sort()) {
      if (!file.endsWith('.json')) continue;
      try {
        this.#add(file, JSON.parse(readFileSync(join(folder, file), 'utf8')), compile);
      } catch (error) {
        problems.push(`${join(folder, file)}: ${(error as Error).message}`);
      }
    }
    for (const versions of this.#types.values()) versions.sort((a, b) => b.version - a.version);
    return problems;
  }

  #add(file: string, schema: unknown, compile: (schema: object) => CheckPayload): void {
    const { eventType, version } = parseSchemaFile(file);
    if (typeof schema !== 'object' || schema === null) throw new Error('it is not a JSON Schema');
    const known = schema as Record<string, unknown>;
    if (!MODES.includes(modeOf(known))) throw new Error(`${MODE_KEYWORD} must be one of ${MODES.join(', ')}`);
    const days = retentionDaysOf(known);
    if (days !== undefined && !(Number.isInteger(days) && days >= 1 && days <= MOST_RETENTION_DAYS)) {
      throw new Error(`${RETENTION_KEYWORD} must be a number of days, from 1 to ${MOST_RETENTION_DAYS}`);
    }
    const versions = this.#types.get(eventType) ?? [];
    versions.push({ version, schema: known, check: compile(schema) });
    this.#types.set(eventType, versions);
  }
}

/** Parses a file name. @throws Error if it is not of the form `TYPE.VERSION.json` */
export function parseSchemaFile(file: string): { eventType: string; version: number } {
  const { eventType, version } = FILE.exec(file)?.groups ?? {};
  if (eventType === undefined)
    throw new Error('its name is not TYPE.VERSION.json, such as ORDER_PLACED.1.json');
  return { eventType, version: Number(version) };
}

export function describeError({ instancePath, message, params }: ErrorObject): string {
  const extra = (params as { additionalProperty?: string }).additionalProperty;
  const text = `/payload${instancePath} ${message}${extra === undefined ? '' : ` (${extra})`}`;
  // Senders choose member names, which may have any length and type.
  return text.slice(0, MAX_FINDING_LENGTH).toWellFormed();
}

/** Checked when the schema was added. */
function modeOf(schema: Record<string, unknown> | undefined): Mode {
  return (schema?.[MODE_KEYWORD] as Mode | undefined) ?? 'enforce';
}

function retentionDaysOf(schema: Record<string, unknown> | undefined): number | undefined {
  return schema?.[RETENTION_KEYWORD] as number | undefined;
}
