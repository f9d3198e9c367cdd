import { useState } from 'preact/hooks';
import { ApiError, explain, get, post } from './api.ts';
import { usePolling } from './polling.ts';
import { toEvent } from './route.ts';

const TYPES_MS = 60_000;
const EXAMPLE = '{\n  "productId": "prod-789",\n  "category": "electronics"\n}';

interface EventTypes {
  allowsOtherTypes: boolean;
  eventTypes: { eventType: string }[];
}

interface Outcome {
  eventId?: string;
  said: string;
}

/** Records one event by hand. */
export function SendPage() {
  const types = usePolling(() => get<EventTypes>('/event-types'), TYPES_MS);
  const [outcome, setOutcome] = useState<Outcome>();
  const [isSending, setSending] = useState(false);
  // One id for one content: pressed twice, or sent again after an answer was lost, it counts once.
  const [eventId, setEventId] = useState(newEventId);

  async function send(event: SubmitEvent) {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const [userId, eventType, payload] = ['userId', 'eventType', 'payload'].map((name) =>
      String(form.get(name)),
    );
    if (isSending) return;
    setSending(true);
    setOutcome(await sendEvent({ eventId, userId: userId!, eventType: eventType!, payload: payload! }));
    setSending(false);
  }

  return (
    <>
      <h1>Send an event</h1>
      <form class="send" onSubmit={send} onInput={() => setEventId(newEventId())}>
        <label>
          User
          <input name="userId" required maxLength={255} defaultValue="user-123" autocomplete="off" />
        </label>
        <label>
          Event type
          <input
            name="eventType"
            list="known-types"
            required
            maxLength={255}
            defaultValue="PRODUCT_VIEW"
            autocomplete="off"
          />
        </label>
        <datalist id="known-types">
          {types.value?.eventTypes.map(({ eventType }) => (
            <option key={eventType} value={eventType} />
          ))}
        </datalist>
        <label>
          Payload, a JSON object
          <textarea name="payload" rows={6} spellcheck={false} defaultValue={EXAMPLE} />
        </label>
        <p class="hint">
          Its id will be <code>{eventId}</code>. Sent again unchanged, it is a duplicate and counts once; any
          change makes another event.
        </p>
        <button type="submit" aria-disabled={isSending}>
          {isSending ? 'Sending…' : 'Send'}
        </button>
      </form>
      <p role="status" class={outcome && !outcome.eventId ? 'problem' : undefined}>
        {outcome?.said} {outcome?.eventId && <a href={toEvent(outcome.eventId)}>Follow the event</a>}
      </p>
    </>
  );
}

interface Draft {
  eventId: string;
  userId: string;
  eventType: string;
  /** JSON; goes out as it was written: large numbers stay what they are. */
  payload: string;
}

async function sendEvent({ eventId, userId, eventType, payload }: Draft): Promise<Outcome> {
  const fields = JSON.stringify({ eventId, userId, eventType }).slice(0, -1);
  const body = `${fields},"payload":${payload.trim() === '' ? '{}' : payload}}`;
  try {
    const { headers } = await post<object>('/events/generate', body);
    const place = `partition ${headers.get('Event-Partition')}, offset ${headers.get('Event-Offset')}`;
    if (headers.has('Event-Duplicate')) {
      return { eventId, said: `A duplicate: this event was recorded before (${place}). It counts once.` };
    }
    return { eventId, said: `Recorded, and safe in the log: ${place}.` };
  } catch (error) {
    const isRefused = error instanceof ApiError && error.status < 500;
    if (isRefused) return { said: explain(error) };
    return {
      said: `Whether it was recorded is not known: ${explain(error)} Send it again unchanged: it counts once.`,
    };
  }
}

/** A version 4 UUID; a page that came over plain HTTP has no `randomUUID`. */
function newEventId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
