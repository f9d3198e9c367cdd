// In: why no running service says how it is. Out: what is wrong with that.
import type { PlacedFinding } from './finding.ts';
import type { NoService } from './service-answers.ts';

interface Explanation extends Pick<PlacedFinding, 'code' | 'severity' | 'next'> {
  cause(url: string): string;
}

const EXPLANATIONS: Record<NoService['state'], Explanation> = {
  absent: {
    code: 'service_absent',
    severity: 'error',
    cause: (url) => `No Footfall answers on ${url}`,
    next: 'Start it, or correct --url; if it ended, the last lines of its log say why',
  },
  silent: {
    code: 'service_silent',
    severity: 'error',
    cause: (url) => `What listens on ${url} takes connections and does not answer`,
    next: 'If it is Footfall, keep its log and restart it; otherwise stop that program, or set another PORT',
  },
  foreign: {
    code: 'port_taken',
    severity: 'error',
    cause: (url) => `Something other than Footfall answers on ${url}`,
    next: 'Stop it, or set another PORT; if Footfall serves HTTPS there, write https:// in --url',
  },
  refused: {
    code: 'service_refuses',
    severity: 'error',
    cause: (url) => `Footfall on ${url} refuses to say how it is`,
    next: 'Call it by an address it knows: 127.0.0.1, or a name in ALLOWED_HOSTS',
  },
  other_certificate: {
    code: 'service_other_certificate',
    severity: 'error',
    cause: (url) => `What answers on ${url} has another certificate than HTTPS_CERT_FILE`,
    next: 'If it is this Footfall, let it read the file again: kill -HUP, with its process id',
  },
  expired: {
    code: 'service_certificate_expired',
    severity: 'error',
    cause: (url) => `The certificate of ${url} has expired`,
    next: 'Renew it, and let Footfall read it again: kill -HUP, with its process id',
  },
  untrusted: {
    code: 'service_untrusted',
    severity: 'warning',
    cause: (url) => `The certificate of ${url} is not trusted here`,
    next: 'Write a name from the certificate in --url, and name its authority with NODE_EXTRA_CA_CERTS',
  },
};

export function explainMissing({ state, why }: NoService, url: string): PlacedFinding {
  const { cause, ...known } = EXPLANATIONS[state];
  return { ...known, cause: `${cause(url)}: ${why}`, detail: `${url}/readyz: ${why}`, depth: 'service' };
}
