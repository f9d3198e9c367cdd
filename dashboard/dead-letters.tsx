import { useEffect, useState } from 'preact/hooks';
import { type DeadLetter, type DeadLetterRecord, explain, get, post } from './api.ts';
import { Exact } from './exact.tsx';
import { usePolling } from './polling.ts';
import { Outdated, Problem } from './problem.tsx';
import { toDeadLetter } from './route.ts';
import { Time } from './time.tsx';
import { count, many } from './words.ts';

const POLL_MS = 3000;

interface Redriven {
  redriven: number;
  skipped: number;
  missing: string[];
}

/** What was in the topic and could not be stored: to look at, edit and resend. */
export function DeadLettersPage() {
  const [isAll, setAll] = useState(false);
  const [outcome, setOutcome] = useState<string>();
  const [changes, setChanges] = useState(0);
  const polled = usePolling(
    () =>
      get<{ deadLetters: DeadLetter[]; next: string | null }>(
        `/dead-letters?limit=200${isAll ? '' : '&waiting=true'}`,
      ),
    POLL_MS,
    isAll,
    changes,
  );
  const { value } = polled;
  const waiting = value?.deadLetters.filter(({ redrivenAt }) => redrivenAt === null) ?? [];

  async function sendAllBack() {
    if (!confirm('Resend all that wait to their topic, as they are?')) return;
    setOutcome(await redrive({ all: true }));
    setChanges(changes + 1);
  }

  return (
    <>
      <h1>Dead letters</h1>
      <p class="hint">
        Records of the topic that are not valid events, kept here so that the rest keep flowing. Resending one
        processes it again.
      </p>
      <Outdated polled={polled} />
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
            Resend all
          </button>
        )}
      </fieldset>
      {value?.deadLetters.length === 0 && (
        <p class="empty">
          {isAll
            ? 'There have been no dead letters.'
            : 'No dead letters wait. The API lets no invalid event in: they come from other programs that write to the topic.'}
        </p>
      )}
      <ul class="letters">
        {value?.deadLetters.map((letter) => (
          <li key={letter.id}>
            <a href={toDeadLetter(letter.id)}>
              {letter.reason}, no. {letter.id}
            </a>{' '}
            <span>
              <Exact text={letter.detail} />
            </span>
            <span class="hint">
              <Time at={letter.deadLetteredAt} show="full" />, partition {letter.partition}, offset{' '}
              {letter.offset}
              {letter.attempt > 1 && `, attempt ${count(letter.attempt)}`}
              {letter.redrivenAt && ', resent'}
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

  /** What the reader has written stays: they may write on while this is under way. */
  async function load(): Promise<void> {
    try {
      const found = await get<DeadLetterRecord>(`/dead-letters/${encodeURIComponent(id)}`);
      setLetter(found);
      setText((written) => written ?? textOf(found) ?? base64Of(found));
    } catch (error) {
      setProblem(explain(error));
    }
  }
  useEffect(() => {
    load();
  }, []);

  async function sendBack(event: SubmitEvent) {
    event.preventDefault();
    const original = textOf(letter!);
    const isEdited = original !== undefined && text !== original;
    setOutcome(await redrive(isEdited ? { ids: [id], value: text } : { ids: [id] }));
    await load();
  }

  return (
    <>
      <h1>Dead letter {id}</h1>
      <Problem text={problem} />
      {letter && (
        <>
          <p class="lead">
            <strong>{letter.reason}</strong>: <Exact text={letter.detail} />
          </p>
          <p class="hint">
            Since <Time at={letter.deadLetteredAt} show="full" />. From {letter.topic}, partition{' '}
            {letter.partition}, offset {letter.offset}; attempt {letter.attempt}.
          </p>
          <p role="status">{outcome}</p>
          {letter.redrivenAt && !outcome && (
            <p>
              Resent <Time at={letter.redrivenAt} show="full" />.
            </p>
          )}
          {letter.record === null && <p class="empty">The dead-letter topic no longer holds its bytes.</p>}
          {letter.record && (
            <form onSubmit={sendBack}>
              <label>
                Content
                <textarea
                  rows={10}
                  spellcheck={false}
                  value={text}
                  readOnly={letter.redrivenAt !== null || textOf(letter) === undefined}
                  onInput={({ currentTarget }) => setText(currentTarget.value)}
                />
              </label>
              {textOf(letter) === undefined && (
                <p class="hint">Not text, so shown in Base64: it can be resent as it is.</p>
              )}
              {letter.redrivenAt === null && (
                <button type="submit">
                  {textOf(letter) === undefined || text === textOf(letter)
                    ? 'Resend as it is'
                    : 'Resend edited'}
                </button>
              )}
            </form>
          )}
        </>
      )}
    </>
  );
}

/** Undefined where the bytes are not text. */
function textOf({ record }: DeadLetterRecord): string | undefined {
  const value = record?.value ?? null;
  if (value === null) return '';
  return 'text' in value ? value.text : undefined;
}

function base64Of({ record }: DeadLetterRecord): string {
  const value = record?.value ?? null;
  return value !== null && 'base64' in value ? value.base64 : '';
}

/** @returns what came of it, for a person */
async function redrive(body: object): Promise<string> {
  try {
    const { answer } = await post<Redriven>('/dead-letters/redrive', JSON.stringify(body));
    const parts = [`${many(answer.redriven, 'record')} resent`];
    if (answer.skipped > 0) parts.push(`${count(answer.skipped)} had been before`);
    if (answer.missing.length > 0) parts.push(`${count(answer.missing.length)} are no longer there`);
    return `${parts.join(', ')}.`;
  } catch (error) {
    return explain(error);
  }
}
