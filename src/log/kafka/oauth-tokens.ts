import { withoutSecrets } from '../../config/shown-value.ts';
import { describeCause } from '../../describe-cause.ts';
import type { Logger } from '../../observability/logger.ts';
import { LoginError } from './failure.ts';

export interface OAuthOptions {
  tokenUrl: string;
  clientId: string;
  /** Read for each request, as it may change. */
  clientSecret(): string;
  scope: string | undefined;
  logger: Logger;
}

interface Token {
  text: string;
  /** On the monotonic clock. */
  renewAt: number;
  expiresAt: number;
}

/** Less than the time a connection has to open: it waits for the token. */
const ANSWER_DEADLINE_MS = 2500;
/**
 * Of a token's life. Brokers have connections log in again after four fifths of it, counted in whole seconds, and close
 * those that soon do so once more: by then there is a new token.
 */
const RENEW_AFTER = 0.6;

/** Tokens for client credentials (RFC 6749, section 4.4). One is used for all connections, until most of its life is over. */
export class OAuthTokens {
  readonly #options: OAuthOptions;
  #held: Token | undefined;
  #asking: Promise<Token> | undefined;

  constructor(options: OAuthOptions) {
    this.#options = options;
  }

  /** @throws when there is no valid token, saying what the endpoint answered */
  async get(): Promise<string> {
    const held = this.#held;
    if (held !== undefined && performance.now() < held.renewAt) return held.text;
    this.#asking ??= this.#renew().finally(() => {
      this.#asking = undefined;
    });
    try {
      return (await this.#asking).text;
    } catch (error) {
      if (held === undefined || performance.now() >= held.expiresAt) throw error;
      this.#options.logger.warn({ err: error }, 'The token for Kafka is not renewed yet, and still valid');
      return held.text;
    }
  }

  async #renew(): Promise<Token> {
    const { tokenUrl } = this.#options;
    const askedAt = performance.now();
    try {
      const { access_token: text, expires_in: seconds = 0 } = await this.#ask();
      const lifeMs = Number(seconds) * 1000;
      const token = { text, renewAt: askedAt + lifeMs * RENEW_AFTER, expiresAt: askedAt + lifeMs };
      this.#held = token;
      return token;
    } catch (error) {
      throw new LoginError(`no token from ${withoutSecrets(tokenUrl)}: ${describeCause(error)}`, {
        cause: error,
      });
    }
  }

  async #ask(): Promise<{ access_token: string; expires_in?: number | string }> {
    const { tokenUrl, clientId, clientSecret, scope } = this.#options;
    const body = new URLSearchParams({ grant_type: 'client_credentials' });
    if (scope !== undefined) body.set('scope', scope);
    const credentials = Buffer.from(`${encode(clientId)}:${encode(clientSecret())}`).toString('base64');
    const response = await fetch(tokenUrl, {
      method: 'POST',
      headers: { authorization: `Basic ${credentials}`, accept: 'application/json' },
      body,
      // Elsewhere, the credentials are nobody's business.
      redirect: 'error',
      signal: AbortSignal.timeout(ANSWER_DEADLINE_MS),
    });
    const answer = (await response.json().catch(() => ({}))) as Record<string, unknown>;
    if (!response.ok) throw new Error(refusal(response.status, answer));
    if (typeof answer.access_token !== 'string') throw new Error('the answer holds no access_token');
    return answer as { access_token: string; expires_in?: number };
  }
}

function refusal(status: number, { error, error_description: description }: Record<string, unknown>): string {
  const words = [error, description].filter((part) => typeof part === 'string');
  return [`it answers ${status}`, ...words].join(', ');
}

/** As a form does, which RFC 6749 asks for in this header, too. */
function encode(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1);
}
