import { isLoopback } from '../../config/config.ts';
import { ApiError } from '../../errors.ts';

/** Normalizes a `Host` header or list entry: without port, brackets and final dot, in lower case. */
function hostName(host: string): string {
  const [, bracketed, plain] = /^(?:\[([^\]]*)\](?::\d*)?|([^:]*)(?::\d*)?)$/.exec(host) ?? [];
  return (bracketed ?? plain ?? host).toLowerCase().replace(/\.$/, '');
}

/**
 * If no keys are needed, whoever makes a browser call this address may do everything. Another site can make its name
 * resolve to this address (DNS rebinding); browsers then send that name, and nothing else reveals it.
 *
 * @param allowed names and addresses besides those of this machine, with or without ports
 * @returns a check that throws ApiError `host_not_allowed`; a missing `Host` passes, since every browser sends one
 */
export function hostCheck(allowed: readonly string[]): (host: string | undefined) => void {
  const listed = new Set(allowed.map(hostName));
  return (host = '') => {
    const name = hostName(host);
    if (name === '' || isLoopback(name) || name.endsWith('.localhost') || listed.has(name)) return;
    throw new ApiError('host_not_allowed');
  };
}
