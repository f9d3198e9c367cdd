import { hash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import Type from 'typebox';
import { Compile } from 'typebox/compile';

/** What a key allows: sending events, reading them, reading only metrics, or everything. */
export const SCOPES = ['write', 'read', 'metrics', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** One entry of the list of keys; the key itself is in no file. */
const API_KEY = Type.Object(
  {
    name: Type.String({
      minLength: 1,
      maxLength: 100,
      description: 'Who uses it. Keys of one name are one caller, as when one replaces another.',
    }),
    sha256: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the key, in hexadecimal.' }),
    scopes: Type.Array(Type.Enum([...SCOPES]), {
      minItems: 1,
      description: '`write`, `read`, `metrics` (a part of `read`), or `admin` for everything.',
    }),
    origins: Type.Optional(
      Type.Array(Type.String({ pattern: '^https?://[^/]+$' }), {
        description: 'Web origins whose pages may use it, such as `https://shop.example`.',
      }),
    ),
    eventsPerSecond: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: 'Most events a second that its caller may send to one instance.',
      }),
    ),
  },
  { additionalProperties: false },
);
export type ApiKey = Type.Static<typeof API_KEY>;

const API_KEYS = Compile(Type.Array(API_KEY, { minItems: 1 }));
const PREFIX = 'ff_';

/** The list of keys. */
export interface KeySource {
  text: string;
  /** Where it comes from, to be read again. */
  file?: string | undefined;
}

/** The valid keys. They are looked up by hash, so timing reveals nothing about a key. */
export class ApiKeys {
  readonly #source: KeySource;
  #byHash: ReadonlyMap<string, ApiKey> = new Map();
  #origins: ReadonlySet<string> = new Set();
  readonly #names = new Set<string>();
  readonly #reloadListeners: (() => void)[] = [];

  /** @throws Error saying what is wrong with the list */
  constructor(source: KeySource) {
    this.#source = source;
    this.#use(source.text);
  }

  /** Reloads the list. @throws as the constructor; the current keys then stay in force */
  reload(): void {
    const { text, file } = this.#source;
    this.#use(file === undefined ? text : readFileSync(file, 'utf8'));
  }

  #use(text: string): void {
    this.#byHash = parseKeys(text);
    this.#origins = new Set([...this.#byHash.values()].flatMap(({ origins = [] }) => origins));
    for (const { name } of this.#byHash.values()) this.#names.add(name);
    for (const tell of this.#reloadListeners) tell();
  }

  /** Calls `listener` after each reload of the list. */
  onReload(listener: () => void): void {
    this.#reloadListeners.push(listener);
  }

  list(): ApiKey[] {
    return [...this.#byHash.values()];
  }

  /** Whether a key found earlier still exists and allows this. */
  stillAllows({ sha256 }: ApiKey, scope: Scope): boolean {
    const key = this.#byHash.get(sha256);
    return key !== undefined && allows(key, scope);
  }

  get count(): number {
    return this.#byHash.size;
  }

  find(key: string): ApiKey | undefined {
    return this.#byHash.get(hashKey(key));
  }

  /** Every caller seen since the start. */
  get names(): ReadonlySet<string> {
    return this.#names;
  }

  /** Every origin that at least one key allows. */
  get origins(): ReadonlySet<string> {
    return this.#origins;
  }
}

/** A new key and its entry for the list; the key is shown once and stored nowhere. */
export function createKey(entry: Omit<ApiKey, 'sha256'>): { key: string; entry: ApiKey } {
  const key = PREFIX + randomBytes(32).toString('base64url');
  const { name, ...rest } = entry;
  return { key, entry: { name, sha256: hashKey(key), ...rest } };
}

export function allows({ scopes }: ApiKey, scope: Scope): boolean {
  if (scopes.includes(scope) || scopes.includes('admin')) return true;
  return scope === 'metrics' && scopes.includes('read');
}

function hashKey(key: string): string {
  return hash('sha256', key, 'hex');
}

function parseKeys(text: string): Map<string, ApiKey> {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    // Without the parser's message, which quotes the text.
    throw new Error('the list of keys is not JSON');
  }
  if (!API_KEYS.Check(list)) {
    const [problem] = API_KEYS.Errors(list);
    throw new Error(`the list of keys is invalid: ${problem!.instancePath || '/'} ${problem!.message}`);
  }
  return new Map(list.map((key) => [key.sha256, key]));
}
