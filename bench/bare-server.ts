// What one Node thread can reach with bare node:http and the Kafka client of the service, nothing else: `grouped` as the
// service does, `single` with one send for each request, `none` without any log. A list of events is one send.
import { randomUUIDv7 } from 'node:crypto';
import { ProduceAcks, Producer } from '@platformatic/kafka';
import { serve } from './bare.ts';

const [brokers, topic, partitions, how] = process.argv.slice(2) as [string, string, string, string];
const producer = new Producer({
  clientId: 'bare',
  bootstrapBrokers: [brokers],
  acks: ProduceAcks.ALL,
  idempotent: true,
});
let waiting: { message: Parameters<typeof producer.send>[0]['messages'][number]; done(): void }[] = [];
let sending = false;
let next = 0;

async function drain(): Promise<void> {
  sending = true;
  while (waiting.length > 0) {
    const group = waiting;
    waiting = [];
    await producer.send({ messages: group.map(({ message }) => message) });
    for (const { done } of group) done();
  }
  sending = false;
}

interface Sent {
  userId: string;
  eventType: string;
}

/** @returns the event as it is answered, and its message */
function accept(sent: Sent) {
  const event = { eventId: randomUUIDv7(), ...sent, timestamp: new Date().toISOString() };
  const json = JSON.stringify(event);
  const message = {
    topic,
    partition: next++ % Number(partitions),
    key: Buffer.from(event.userId),
    value: Buffer.from(json),
    headers: new Map([
      [Buffer.from('event-type'), Buffer.from(event.eventType)],
      [Buffer.from('event-id'), Buffer.from(event.eventId)],
    ]),
  };
  return { json, message };
}

serve((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body = JSON.parse(Buffer.concat(chunks).toString()) as Sent | Sent[];
    const answer = (text: string) => {
      response.writeHead(201, { 'content-type': 'application/json; charset=utf-8' });
      response.end(text);
    };
    if (Array.isArray(body)) {
      const messages = body.map((sent) => accept(sent).message);
      producer.send({ messages }).then(() => answer(`{"success":true,"accepted":${body.length}}`));
      return;
    }
    const { json, message } = accept(body);
    const done = () => answer(`{"success":true,"event":${json}}`);
    if (how === 'none') done();
    else if (how === 'single') producer.send({ messages: [message] }).then(done);
    else {
      waiting.push({ message, done });
      if (!sending) drain();
    }
  });
});
