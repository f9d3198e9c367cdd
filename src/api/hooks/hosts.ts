import { isLoopback } from '../../config/config.ts';
import { ApiError } from '../../errors.ts';

/** The name or address of a `Host` header or a list entry: without port, brackets, case and final dot. */
function hostName(host: string): string {
  const [, bracketed, plain] = /^(?:\[([^\]]*)\](?::\d*)?|([^:]*)(?::\d*)?)$/.exec(host) ?? [];
  return (bracketed ?? plain ?? host).toLowerCase().replace(/\.$/, '');
}

/**
 * Where no keys are needed, whoever makes a browser call this address may do everything. The name of another site can be
 * made to lead here (DNS rebinding); browsers then send that name, and nothing else gives it away.
 *
 * @param allowed names and addresses beside those of this machine, with or without ports
 * @returns throws ApiError `host_not_allowed`; no `Host` at all passes, for no browser sends none
 */
export function hostCheck(allowed: readonly string[]): (host: string | undefined) => void {
  const listed = new Set(allowed.map(hostName));
  return (host = '') => {
    const name = hostName(host);
    if (name === '' || isLoopback(name) || name.endsWith('.localhost') || listed.has(name)) return;
    throw new ApiError('host_not_allowed');
  };
}
