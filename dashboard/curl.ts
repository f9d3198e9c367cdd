import { apiKey } from './api.ts';

/** A command that sends this body to the service that the page is from. The key is named and not written. */
export function curlOf(path: string, body: string, type = 'application/json'): string {
  const key = apiKey.value === '' ? [] : ['-H "Authorization: Bearer $FOOTFALL_KEY"'];
  const parts = [
    `curl -i ${quoted(location.origin + path)}`,
    `-H ${quoted(`Content-Type: ${type}`)}`,
    ...key,
    `--data-binary ${quoted(body)}`,
  ];
  return parts.join(' \\\n  ');
}

/** For a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
