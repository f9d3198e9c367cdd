import { useRef, useState } from 'preact/hooks';
import { explain, request } from './api.ts';
import { Problem } from './problem.tsx';

const FORMATS = [
  ['CSV', 'text/csv', 'csv'],
  ['NDJSON', 'application/x-ndjson', 'ndjson'],
] as const;

/** All events that match, as a file. A link could neither send a key nor ask for a format. */
export function Export({ query }: { query: string }) {
  const [problem, setProblem] = useState<string>();
  const ending = useRef<AbortController>(undefined);
  const [isRunning, setRunning] = useState(false);
  async function save(type: string, extension: string) {
    ending.current = new AbortController();
    const { signal } = ending.current;
    setRunning(true);
    setProblem(undefined);
    try {
      const response = await request(`/events/processed?${query}`, { headers: { Accept: type }, signal });
      const link = document.createElement('a');
      link.href = URL.createObjectURL(await response.blob());
      link.download = `events.${extension}`;
      link.click();
      URL.revokeObjectURL(link.href);
    } catch (error) {
      if (!signal.aborted) setProblem(explain(error));
    }
    setRunning(false);
  }
  return (
    <>
      {FORMATS.map(([title, type, extension]) => (
        <button
          key={title}
          type="button"
          aria-disabled={isRunning}
          onClick={() => isRunning || save(type, extension)}
        >
          Export {title}
        </button>
      ))}
      {isRunning && (
        <button type="button" onClick={() => ending.current?.abort()}>
          Cancel the export
        </button>
      )}
      <Problem text={problem} />
    </>
  );
}
