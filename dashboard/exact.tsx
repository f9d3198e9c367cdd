/** Controls, marks that turn text round, joiners nobody sees, halves of characters; not what emoji are joined with. */
const UNSEEN = /(?!\u200c|\u200d|[\u{e0020}-\u{e007f}])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const SHORT: Record<string, string> = { '\n': '\\n', '\t': '\\t', '\r': '\\r' };

interface ExactProps {
  text: string;
  /** Whether a line feed starts a line instead of being shown. */
  keepsLines?: boolean;
  /** How much of a long text is shown. */
  most?: number;
}

/** Text in its own direction, in which what cannot be seen is shown as an escape. */
export function Exact({ text: whole, keepsLines = false, most = whole.length }: ExactProps) {
  const text = whole.slice(0, most);
  const parts: (string | preact.JSX.Element)[] = [];
  let end = 0;
  for (const { 0: unseen, index } of text.matchAll(UNSEEN)) {
    if (keepsLines && unseen === '\n') continue;
    parts.push(text.slice(end, index), <span class="escape">{escapeOf(unseen)}</span>);
    end = index + unseen.length;
  }
  return (
    <bdi>
      {parts}
      {text.slice(end)}
      {text.length < whole.length && '…'}
    </bdi>
  );
}

function escapeOf(unseen: string): string {
  const units = Array.from({ length: unseen.length }, (_, at) => unseen.charCodeAt(at));
  return SHORT[unseen] ?? units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}
