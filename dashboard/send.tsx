import { useState } from 'preact/hooks';
import { explain, get, post, type UserEvent } from './api.ts';
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

  async function send(event: SubmitEvent) {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const [userId, eventType, payload] = ['userId', 'eventType', 'payload'].map((name) =>
      String(form.get(name)),
    );
    setSending(true);
    setOutcome(await sendEvent(userId!, eventType!, payload!));
    setSending(false);
  }

  return (
    <>
      <h1>Send an event</h1>
      <form class="send" onSubmit={send}>
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
        <button type="submit" disabled={isSending}>
          Send
        </button>
      </form>
      <p role="status" class={outcome && !outcome.eventId ? 'problem' : undefined}>
        {outcome?.said} {outcome?.eventId && <a href={toEvent(outcome.eventId)}>Follow its journey</a>}
      </p>
    </>
  );
}

/** The payload goes out as it was written: large numbers stay what they are. */
async function sendEvent(userId: string, eventType: string, payload: string): Promise<Outcome> {
  const members = payload.trim() === '' ? '{}' : payload;
  const body = `{"userId":${JSON.stringify(userId)},"eventType":${JSON.stringify(eventType)},"payload":${members}}`;
  try {
    const { answer, headers } = await post<{ event: UserEvent }>('/events/generate', body);
    const place = `partition ${headers.get('Event-Partition')}, offset ${headers.get('Event-Offset')}`;
    return { eventId: answer.event.eventId, said: `Recorded, and safe in the log: ${place}.` };
  } catch (error) {
    return { said: explain(error) };
  }
}
