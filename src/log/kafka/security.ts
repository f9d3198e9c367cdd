import { isIP } from 'node:net';
import type { BaseOptions } from '@platformatic/kafka';
import type { KafkaSecurity } from '../../config/kafka-security.ts';
import { readSecretFile } from '../../config/secrets.ts';
import type { Logger } from '../../observability/logger.ts';
import { Connections } from './connections.ts';
import { LoginError } from './failure.ts';
import { OAuthTokens } from './oauth-tokens.ts';
import { RereadFile } from './reread-file.ts';
import { TlsFiles } from './tls-files.ts';

/** The client's options for TLS and SASL. The client reads them again for each connection. */
export interface ClientSecurity extends Pick<BaseOptions, 'tls' | 'sasl'> {
  context: Connections;
}

type Sasl = NonNullable<KafkaSecurity['sasl']>;
type Secret = Extract<Sasl, { password: unknown }>['password'];

/** @throws Error naming the setting whose file cannot be used */
export function openSecurity({ tls, sasl }: KafkaSecurity, logger: Logger): ClientSecurity {
  const context = new Connections();
  return {
    context,
    ...(tls === undefined ? {} : { tls: tlsOptions(new TlsFiles(tls, logger), context) }),
    ...(sasl === undefined ? {} : { sasl: saslOptions(sasl, logger) }),
  };
}

/**
 * Getters, since the client copies the options for each connection. The name in the handshake decides which broker
 * answers where several share an address; Node refuses an IP address there.
 */
function tlsOptions(files: TlsFiles, connections: Connections): NonNullable<ClientSecurity['tls']> {
  return {
    get secureContext() {
      return files.context;
    },
    get servername() {
      return isIP(connections.host) ? undefined : connections.host;
    },
  };
}

function saslOptions(sasl: Sasl, logger: Logger): NonNullable<ClientSecurity['sasl']> {
  if (sasl.mechanism !== 'OAUTHBEARER') {
    const { mechanism, username } = sasl;
    return { mechanism, username, password: openSecret(sasl.password, 'KAFKA_SASL_PASSWORD_FILE', logger) };
  }
  const clientSecret = openSecret(sasl.clientSecret, 'KAFKA_OAUTH_CLIENT_SECRET_FILE', logger);
  const tokens = new OAuthTokens({ ...sasl, clientSecret, logger });
  return { mechanism: 'OAUTHBEARER', token: () => tokens.get(), authBytesValidator: checkAnswer };
}

function openSecret({ text, file: path }: Secret, setting: string, logger: Logger): () => string {
  if (path === undefined) return () => text;
  const file = new RereadFile({ path, load: readSecretFile, setting, logger });
  return () => file.read();
}

/** A broker refuses a token with an answer that has no error code. */
function checkAnswer(answer: Buffer, callback: (error: Error | null, answer: Buffer) => void): void {
  const refused = answer.length > 0 ? /"status"\s*:\s*"([\w-]+)"/.exec(answer.toString())?.[1] : undefined;
  callback(refused === undefined ? null : new LoginError(`the broker refuses the token: ${refused}`), answer);
}
