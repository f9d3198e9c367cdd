import { useState } from 'preact/hooks';

/** Copies a text. A page that came over plain HTTP from elsewhere may not use the clipboard. */
export function Copy({ text, title = 'Copy' }: { text: string; title?: string }) {
  const [copied, setCopied] = useState<string>();
  if (!isSecureContext) return null;
  const copy = () => navigator.clipboard.writeText(text).then(() => setCopied(text));
  return (
    <button type="button" onClick={copy}>
      {copied === text ? 'Copied' : title}
    </button>
  );
}
