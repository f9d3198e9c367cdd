// In: the address of a PostgreSQL. Out: how to connect, or a sentence that says what to write instead.
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';

/** How to connect. Missing parts come from the usual `PG…` variables or defaults. */
export interface PostgresConnection {
  host?: string | undefined;
  port?: number | undefined;
  user?: string | undefined;
  password?: string | undefined;
  database?: string | undefined;
  /** Session settings, as `-c name=value`. */
  options?: string | undefined;
  application_name?: string | undefined;
  ssl?: ConnectionOptions | false | undefined;
  sslnegotiation?: 'postgres' | 'direct' | undefined;
  /** True: the password proof is bound to this TLS connection (channel binding), if the server offers that. */
  enableChannelBinding: boolean;
  connectionTimeoutMillis: number;
}

const CONNECT_TIMEOUT_MS = 5000;
const ADDRESS =
  /^postgres(?:ql)?:\/\/(?:(?<credentials>[^/?#]*)@)?(?<host>[^/?#]*)(?:\/(?<database>[^?#]*))?(?:\?(?<query>[^#]*))?$/;
const HOST_AND_PORT = /^(?<host>\[[0-9a-fA-F:.]+(?:%[\w.-]+)?\]|[\w.-]*|%2[fF][^:]*)(?::(?<port>\d{1,5}))?$/;
const MAX_PORT = 65_535;

/** Parameters that have no effect, or ask for the default. */
const WITHOUT_EFFECT = [
  'keepalives',
  'keepalives_idle',
  'keepalives_interval',
  'keepalives_count',
  'tcp_user_timeout',
  'gssencmode',
  'krbsrvname',
  'sslcompression',
  'client_encoding',
  'fallback_application_name',
  'pgbouncer',
];
const KNOWN = [
  'host',
  'port',
  'user',
  'password',
  'dbname',
  'options',
  'application_name',
  'connect_timeout',
  'ssl',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'sslpassword',
  'sslnegotiation',
  'channel_binding',
  'target_session_attrs',
  'uselibpqcompat',
];
/** Parameters of other drivers, and their equivalents here. */
const ELSEWHERE: Record<string, string> = {
  schema: 'write options=-c%20search_path%3DSCHEMA instead',
  currentSchema: 'write options=-c%20search_path%3DSCHEMA instead',
  connection_limit: 'set DATABASE_POOL_SIZE instead',
  pool_timeout: 'leave it out',
  statement_timeout: 'leave it out: Footfall sets its own',
};
const SSL_MODES = ['disable', 'require', 'verify-ca', 'verify-full', 'no-verify'];

/**
 * Parses an address as libpq and node-postgres do.
 *
 * @throws Error with a sentence for a person, which reveals no part of the address that may be secret
 */
export function readPostgresUrl(url: string): PostgresConnection {
  const { credentials, host, database, query } = partsOf(url);
  const parameters = new URLSearchParams(query);
  checkParameters(parameters);
  const [user, password] = splitAt(credentials, ':').map(decode);
  const address = hostAndPort(parameters.get('host') ?? host);
  const connectTimeoutS = Number(parameters.get('connect_timeout') ?? 0);
  const result = {
    host: address.host,
    port: portOf(parameters.get('port')) ?? address.port,
    user: parameters.get('user') ?? user,
    password: parameters.get('password') ?? password,
    database: parameters.get('dbname') ?? decode(database),
    options: parameters.get('options') ?? undefined,
    application_name: parameters.get('application_name') ?? undefined,
    enableChannelBinding: parameters.get('channel_binding') === 'require',
    connectionTimeoutMillis: connectTimeoutS > 0 ? connectTimeoutS * 1000 : CONNECT_TIMEOUT_MS,
  };
  // The system itself protects a local socket, and PostgreSQL has no TLS there.
  if (address.host?.startsWith('/')) return { ...result, ssl: false };
  const ssl = sslOf(parameters);
  return { ...result, ssl, ...(ssl && { sslnegotiation: sslNegotiation(parameters) }) };
}

/** The search path in the address, if any. */
export function requestedSearchPath({ options }: Pick<PostgresConnection, 'options'>): string | undefined {
  const found = /(?:-c\s*|--)search_path=((?:\\.|[^\s\\])*)/.exec(options ?? '');
  return found?.[1]?.replaceAll(/\\(.)/g, '$1');
}

const RAW = {
  '#': 'has a "#", which ends an address: write it as %23 in a password',
  '@': 'has an "@" behind its "/" or "?". In a password write "/" as %2F, "?" as %3F and "@" as %40; elsewhere write "@" as %40',
};

type Parts = Record<'credentials' | 'host' | 'database' | 'query', string | undefined>;

function partsOf(url: string): Parts {
  const afterScheme = url.slice(url.indexOf('://') + 3);
  if (afterScheme.includes('#')) throw new Error(`it ${RAW['#']}`);
  if (/[/?].*@/.test(afterScheme)) throw new Error(`it ${RAW['@']}`);
  return ADDRESS.exec(url)!.groups as Parts;
}

function splitAt(text: string | undefined, separator: string): (string | undefined)[] {
  if (text === undefined) return [];
  const at = text.indexOf(separator);
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

/** @returns undefined if it does not exist */
function decode(text: string | undefined): string | undefined {
  if (!text) return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error('it has a "%" that begins no character: write a "%" of a password or a name as %25');
  }
}

function hostAndPort(text = ''): Pick<PostgresConnection, 'host' | 'port'> {
  // As a parameter it may be an unencoded path.
  if (text.startsWith('/')) return { host: text };
  if (text.includes(',')) {
    throw new Error(
      'it names several hosts, and Footfall connects to one: name one, or a name or proxy that leads to it: for DATABASE_URL the primary',
    );
  }
  const found = HOST_AND_PORT.exec(text);
  if (found === null) {
    throw new Error(
      text.split(':').length > 2
        ? 'it has a host that is not understood: write an IPv6 address in brackets, as [::1]:5432'
        : 'it has a host or a port that is not understood: a port is a number, and what is special in a password is written as %2F for "/", %3F for "?", %23 for "#", %40 for "@"',
    );
  }
  const { host, port } = found.groups as { host: string; port?: string };
  return { host: decode(host.replace(/^\[(.*)\]$/, '$1')), port: portOf(port) };
}

function portOf(text: string | null | undefined): number | undefined {
  if (text == null) return undefined;
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port <= MAX_PORT) return port;
  throw new Error(`it has a port that is not a number from 1 to ${MAX_PORT}`);
}

function checkParameters(parameters: URLSearchParams): void {
  for (const name of parameters.keys()) {
    if (KNOWN.includes(name) || WITHOUT_EFFECT.includes(name)) continue;
    const known = ELSEWHERE[name] ?? `Footfall knows ${KNOWN.join(', ')}`;
    // Anything that is not a parameter name may be part of a password.
    const named = /^\w+$/.test(name) ? `the parameter ${name}` : 'a parameter';
    throw new Error(`it has ${named}, which Footfall does not know: ${known}`);
  }
  oneOf(parameters, 'connect_timeout', /^\d{1,6}$/, 'a number of seconds');
  oneOf(parameters, 'sslnegotiation', /^(postgres|direct)$/, 'postgres or direct');
  oneOf(parameters, 'channel_binding', /^(disable|prefer|require)$/, 'disable, prefer or require');
  oneOf(
    parameters,
    'target_session_attrs',
    /^(any|read-write|primary)$/,
    'any, read-write or primary: a replica is for DATABASE_READ_URL, which needs no such parameter',
  );
}

function oneOf(parameters: URLSearchParams, name: string, allowed: RegExp, what: string): void {
  const value = parameters.get(name);
  if (value !== null && !allowed.test(value)) throw new Error(`${name} must be ${what}`);
}

function sslNegotiation(parameters: URLSearchParams): PostgresConnection['sslnegotiation'] {
  return parameters.get('sslnegotiation') === 'direct' ? 'direct' : 'postgres';
}

/** @returns undefined if the address does not mention TLS */
function sslOf(parameters: URLSearchParams): PostgresConnection['ssl'] {
  const files = {
    ca: readFile(parameters, 'sslrootcert'),
    cert: readFile(parameters, 'sslcert'),
    key: readFile(parameters, 'sslkey'),
    passphrase: parameters.get('sslpassword') ?? undefined,
  };
  const hasMore = parameters.has('sslrootcert') || files.cert !== undefined || files.key !== undefined;
  const mode = sslMode(parameters) ?? (hasMore ? 'verify-full' : undefined);
  if (mode === undefined) {
    if (parameters.get('sslnegotiation') !== 'direct') return undefined;
    throw new Error('sslnegotiation=direct needs sslmode=require or sslmode=verify-full');
  }
  if (mode === 'disable') return false;
  if (mode === 'no-verify') return { ...files, rejectUnauthorized: false };
  // With the public web authorities, which issue certificates to anybody, a valid chain alone proves nothing.
  if (mode === 'verify-ca' && files.ca) return { ...files, checkServerIdentity: () => undefined };
  return files;
}

function sslMode(parameters: URLSearchParams): string | undefined {
  const mode = parameters.get('sslmode') ?? sslModeOf(parameters.get('ssl'));
  if (mode === undefined || SSL_MODES.includes(mode)) {
    const isLibpq = parameters.get('uselibpqcompat') === 'true' && !parameters.has('sslrootcert');
    return mode === 'require' && isLibpq ? 'no-verify' : mode;
  }
  if (mode === 'prefer' || mode === 'allow') {
    throw new Error(
      `sslmode=${mode} leaves it to whoever is in between whether the connection is encrypted. Write sslmode=require where the server has TLS, sslmode=disable where it has not`,
    );
  }
  throw new Error(`sslmode must be one of ${SSL_MODES.join(', ')}`);
}

/** `ssl=…` as node-postgres and JDBC write it. */
function sslModeOf(ssl: string | null): string | undefined {
  if (ssl === null) return undefined;
  if (ssl === 'true' || ssl === '1') return 'require';
  return ssl === 'false' || ssl === '0' ? 'disable' : ssl;
}

function readFile(parameters: URLSearchParams, name: string): string | undefined {
  const path = parameters.get(name);
  // libpq's word for the system's authorities, which are the default.
  if (path === null || path === 'system') return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(`${name} cannot be read: ${(error as Error).message}`);
  }
}
