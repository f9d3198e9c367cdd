import { describeCause, errorsIn } from '../../describe-cause.ts';
import { hasKafkaError } from './client.ts';
import type { Connections } from './connections.ts';

/** As Node, OpenSSL and the client give them. */
interface Failure extends Error {
  code?: string;
  /** Kafka's name of the error. */
  apiId?: string;
  serverErrorMessage?: string | null;
  /** Of brokers that do not have the mechanism. */
  response?: { mechanisms?: string[] };
}

const UNTRUSTED = /^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_|CRL_|INVALID_CA|ERR_TLS_CERT_)/;
const ADVICE: Record<string, string> = {
  CERT_HAS_EXPIRED: 'the broker needs a new one',
  CERT_NOT_YET_VALID: 'look at the clocks of the broker and of this machine',
  ERR_TLS_CERT_ALTNAME_INVALID: 'write a name from the certificate in KAFKA_BROKERS',
};
const NAME_AUTHORITY = 'name the file of the authority it comes from with KAFKA_SSL_CA_FILE';
const CHECK_PORT = 'check KAFKA_SECURITY_PROTOCOL and the port in KAFKA_BROKERS';
/** What a peer says before it ends a TLS connection. */
const ALERT = /\balert ([a-z ]+)/;

/**
 * Instead of an error whose cause is known and in the settings, one that says what to change. It has no cause of its
 * own, since that would be named once more.
 */
export function explainFailure(error: unknown, connections: Connections | undefined): unknown {
  const known = [...errorsIn(error), ...errorsIn(isClosed(error) ? connections?.failure : undefined)];
  const mechanisms = known
    .map((one) => (one as Failure).response?.mechanisms)
    .find((list) => list !== undefined);
  for (const one of known) {
    const text = explain(one, mechanisms);
    if (text !== undefined) return new Error(text);
  }
  if (!isClosed(error) || (connections?.worked ?? true)) return error;
  return new Error(
    `Connection closed by the broker, which may require another protocol on this port: ${CHECK_PORT}`,
  );
}

/** Instead of an error that says only that it is about a group. */
export function nameGroup(error: unknown, group: string): unknown {
  if (!hasKafkaError(error, 'GROUP_AUTHORIZATION_FAILED')) return error;
  return new Error(`Group authorization failed: ${group} (Read)`, { cause: error });
}

function isClosed(error: unknown): boolean {
  return errorsIn(error).some(({ message }) => message === 'Connection closed');
}

function explain(error: Failure, mechanisms: string[] | undefined): string | undefined {
  return explainTls(error) ?? explainLogin(error, mechanisms);
}

function explainTls({ code = '', message }: Failure): string | undefined {
  if (UNTRUSTED.test(code)) {
    // After the semicolon, Node recommends an option of its own.
    const [reason] = message.split(';', 1);
    return `TLS: ${reason!.replace(/[\s.:]+$/, '')}: ${ADVICE[code] ?? NAME_AUTHORITY}`;
  }
  const alert = code.startsWith('ERR_SSL') ? ALERT.exec(message)?.[1] : undefined;
  if (alert !== undefined) {
    return `TLS: the broker refuses the connection ("${alert}"): it may require a certificate that it trusts, in KAFKA_SSL_CERT_FILE`;
  }
  if (message.startsWith('Broker requires TLS')) {
    return 'TLS: the broker requires it: set KAFKA_SECURITY_PROTOCOL to SSL or SASL_SSL';
  }
  if (message.startsWith('TLS handshake failed')) {
    return `TLS: the broker does not use it on this port: ${CHECK_PORT}`;
  }
  return undefined;
}

function explainLogin(error: Failure, mechanisms: string[] | undefined): string | undefined {
  const said = error.serverErrorMessage?.replace(/\.$/, '');
  if (error instanceof LoginError) return `SASL authentication failed: ${describeCause(error)}`;
  if (error.apiId === 'SASL_AUTHENTICATION_FAILED') {
    return `SASL authentication failed: ${said ?? 'the broker does not say why'}`;
  }
  if (error.apiId === 'UNSUPPORTED_SASL_MECHANISM') {
    return `SASL: the broker does not support this KAFKA_SASL_MECHANISM: it supports ${mechanisms?.join(', ')}`;
  }
  if (error.apiId === 'ILLEGAL_SASL_STATE') {
    return `SASL: the broker does not use it on this port: ${CHECK_PORT}`;
  }
  return undefined;
}

/** There is no token, or the broker does not accept it. */
export class LoginError extends Error {}
