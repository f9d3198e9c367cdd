import { useEffect, useState } from 'preact/hooks';
import { type DeadLetter, type DeadLetterRecord, explain, get, post } from './api.ts';
import { usePolling } from './polling.ts';
import { Problem } from './problem.tsx';
import { toDeadLetter } from './route.ts';
import { clock, count, date, many } from './words.ts';

const POLL_MS = 3000;

interface Redriven {
  redriven: number;
  skipped: number;
  missing: string[];
}

/** What was in the topic and could not be stored: to look at, mend and send back. */
export function DeadLettersPage() {
  const [isAll, setAll] = useState(false);
  const [outcome, setOutcome] = useState<string>();
  const [changes, setChanges] = useState(0);
  const { value, problem } = usePolling(
    () =>
      get<{ deadLetters: DeadLetter[]; next: string | null }>(
        `/dead-letters?limit=200${isAll ? '' : '&waiting=true'}`,
      ),
    POLL_MS,
    isAll,
    changes,
  );
  const waiting = value?.deadLetters.filter(({ redrivenAt }) => redrivenAt === null) ?? [];

  async function sendAllBack() {
    if (!confirm('Send all that wait back to their topic, as they are?')) return;
    setOutcome(await redrive({ all: true }));
    setChanges(changes + 1);
  }

  return (
    <>
      <h1>Dead letters</h1>
      <p class="hint">
        Records of the topic that are not valid events, kept here so that the others go on. Sent back, each is
        processed again.
      </p>
      <Problem text={problem} />
      <p role="status">{outcome}</p>
      <fieldset class="choices">
        <legend class="unseen">Which</legend>
        <button type="button" aria-pressed={!isAll} onClick={() => setAll(false)}>
          Waiting
        </button>
        <button type="button" aria-pressed={isAll} onClick={() => setAll(true)}>
          All
        </button>
        {waiting.length > 0 && (
          <button type="button" class="apart" onClick={sendAllBack}>
            Send all back
          </button>
        )}
      </fieldset>
      {value?.deadLetters.length === 0 && (
        <p class="empty">{isAll ? 'Nothing was ever set aside.' : 'Nothing waits here.'}</p>
      )}
      <ul class="letters">
        {value?.deadLetters.map((letter) => (
          <li key={letter.id}>
            <a href={toDeadLetter(letter.id)}>{letter.reason}</a> <span>{letter.detail}</span>
            <span class="hint">
              {date(letter.deadLetteredAt)}, {clock(letter.deadLetteredAt)}, partition {letter.partition},
              offset {letter.offset}
              {letter.attempt > 1 && `, attempt ${count(letter.attempt)}`}
              {letter.redrivenAt && `, sent back ${clock(letter.redrivenAt)}`}
            </span>
          </li>
        ))}
      </ul>
      {value?.next && (
        <p class="hint">The newest {count(value.deadLetters.length)}; the API lists them all.</p>
      )}
    </>
  );
}

/** One of them, with its bytes. */
export function DeadLetterPage({ id }: { id: string }) {
  const [letter, setLetter] = useState<DeadLetterRecord>();
  const [problem, setProblem] = useState<string>();
  const [outcome, setOutcome] = useState<string>();
  const [text, setText] = useState<string>();

  async function load(): Promise<void> {
    try {
      const found = await get<DeadLetterRecord>(`/dead-letters/${encodeURIComponent(id)}`);
      setLetter(found);
      // Once: what somebody has mended stays, also where it was refused.
      setText((mended) => mended ?? textOf(found) ?? '');
    } catch (error) {
      setProblem(explain(error));
    }
  }
  useEffect(() => {
    load();
  }, []);

  async function sendBack(event: SubmitEvent) {
    event.preventDefault();
    const hasReplacement = text !== textOf(letter!);
    setOutcome(await redrive(hasReplacement ? { ids: [id], value: text } : { ids: [id] }));
    await load();
  }

  return (
    <>
      <h1>Dead letter {id}</h1>
      <Problem text={problem} />
      {letter && (
        <>
          <p class="lead">
            <strong>{letter.reason}</strong>: {letter.detail}
          </p>
          <p class="hint">
            Set aside {date(letter.deadLetteredAt)}, {clock(letter.deadLetteredAt)}. From {letter.topic},
            partition {letter.partition}, offset {letter.offset}; attempt {letter.attempt}.
          </p>
          <p role="status">{outcome}</p>
          {letter.redrivenAt && !outcome && (
            <p>
              Sent back {date(letter.redrivenAt)}, {clock(letter.redrivenAt)}.
            </p>
          )}
          {letter.record === null && <p class="empty">The dead-letter topic no longer holds its bytes.</p>}
          {letter.record && (
            <form onSubmit={sendBack}>
              <label>
                Its content
                <textarea
                  rows={10}
                  spellcheck={false}
                  value={text}
                  readOnly={letter.redrivenAt !== null || textOf(letter) === undefined}
                  onInput={({ currentTarget }) => setText(currentTarget.value)}
                />
              </label>
              {textOf(letter) === undefined && <p class="hint">Not text: it can be sent back as it is.</p>}
              {letter.redrivenAt === null && (
                <button type="submit">
                  {text === textOf(letter) ? 'Send back as it is' : 'Send back mended'}
                </button>
              )}
            </form>
          )}
        </>
      )}
    </>
  );
}

/** Undefined where the bytes are no text. */
function textOf({ record }: DeadLetterRecord): string | undefined {
  const value = record?.value ?? null;
  if (value === null) return '';
  return 'text' in value ? value.text : undefined;
}

/** @returns what came of it, for a person */
async function redrive(body: object): Promise<string> {
  try {
    const { answer } = await post<Redriven>('/dead-letters/redrive', JSON.stringify(body));
    const parts = [`${many(answer.redriven, 'record')} sent back`];
    if (answer.skipped > 0) parts.push(`${count(answer.skipped)} had been before`);
    if (answer.missing.length > 0) parts.push(`${count(answer.missing.length)} are no longer there`);
    return `${parts.join(', ')}.`;
  } catch (error) {
    return explain(error);
  }
}
