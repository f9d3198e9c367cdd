import { apiKey } from './api.ts';

/** A command that sends this body to the service that the page is from. The key is named and not written. */
export function curlOf(path: string, body: string, type = 'application/json'): string {
  return written(path, [`-H ${quoted(`Content-Type: ${type}`)}`, ...key(), `--data-binary ${quoted(body)}`]);
}

/** A command that reads from that service. */
export const curlFor = (path: string) => written(path, key());

const key = () => (apiKey.value === '' ? [] : ['-H "Authorization: Bearer $FOOTFALL_KEY"']);

function written(path: string, options: string[]): string {
  return [`curl -i ${quoted(location.origin + path)}`, ...options].join(' \\\n  ');
}

/** For a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
