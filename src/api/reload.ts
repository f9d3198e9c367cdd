import type { ApiKeys } from '../access/api-keys.ts';
import type { Logger } from '../observability/logger.ts';
import type { Certificate } from './certificate.ts';

/** Reads the API keys and the certificate again; of one that is invalid, the current one stays in force. */
export function reloadAccess(
  { apiKeys, certificate }: { apiKeys: ApiKeys | undefined; certificate: Certificate | undefined },
  logger: Logger,
): void {
  reloadKeys(apiKeys, logger);
  reloadCertificate(certificate, logger);
}

function reloadKeys(apiKeys: ApiKeys | undefined, logger: Logger): void {
  try {
    apiKeys?.reload();
    logger.info({ keys: apiKeys?.count ?? 0 }, 'API keys read again');
  } catch (error) {
    logger.error({ err: error }, 'API keys not changed: the list cannot be read');
  }
}

function reloadCertificate(certificate: Certificate | undefined, logger: Logger): void {
  if (certificate === undefined) return;
  try {
    certificate.reload();
    logger.info('The certificate was read again');
  } catch (error) {
    logger.error({ err: error }, 'The certificate is not changed: its files cannot be used');
  }
}
