import Type, { type TSchema } from 'typebox';
import {
  type DeadLetterHeader,
  deadLetterTopic,
  LEFT_OUT_HEADER,
} from '../../dead-letters/dead-letter-records.ts';
import { EVENT } from './schemas.ts';

const text = (description: string): TSchema => Type.String({ description });

const EVENT_HEADERS = Type.Object({
  'event-type': text('The eventType, so that readers can choose without parsing.'),
  'event-id': text('The eventId: the same one may be in the topic more than once, and counts once.'),
  'event-caller': Type.Optional(
    text('Who chose the eventId, where callers have names: ids of different callers never meet.'),
  ),
});

const EXCEPTION = "For spring-kafka's tools: `footfall.RejectedRecord`.";
const DEAD_LETTER_HEADERS = Type.Object({
  'kafka_dlt-original-topic': text('Where the record came from,'),
  'kafka_dlt-original-partition': text('in which partition,'),
  'kafka_dlt-original-offset': text('at which offset,'),
  'kafka_dlt-original-timestamp': text('and when it was written (milliseconds since 1970),'),
  'kafka_dlt-original-timestamp-type': text('by whose clock.'),
  'kafka_dlt-original-consumer-group': text('The group that dead-lettered it.'),
  'kafka_dlt-exception-fqcn': text(EXCEPTION),
  'kafka_dlt-exception-cause-fqcn': text(EXCEPTION),
  'kafka_dlt-exception-message': text('Why, for a person.'),
  'kafka_dlt-exception-stacktrace': text('The same; there is no stack.'),
  'footfall-dlt-reason': text('Why, in one word: `empty`, `not-json` or `invalid`.'),
  'footfall-dlt-attempt': text('1 at first; one more each time it was sent back and dead-lettered again.'),
  [LEFT_OUT_HEADER]: Type.Optional(
    text(
      'Only where this topic refuses the record, for its size above all: the bytes of its key, value and headers, of which there is nothing here. They are where the record came from.',
    ),
  ),
} satisfies Record<DeadLetterHeader | typeof LEFT_OUT_HEADER, TSchema>);

/** The topics as an AsyncAPI 3.0 document. */
export function asyncApiDocument(topic: string, version: string): object {
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Footfall',
      version,
      description:
        "Events are written by Footfall, and by any producer that writes them in this form. A user is the key, so that the events of one are in one partition, in order. For that, all producers must choose the partition as Java's does, by murmur2 of the key: those on librdkafka (kcat, and confluent-kafka for Python, Go and .NET) need `partitioner=murmur2_random`.",
    },
    defaultContentType: 'application/json',
    channels: {
      events: channel(topic, 'Every event, in the order in which it was accepted.', 'event'),
      deadLetters: channel(
        deadLetterTopic(topic),
        'Records of the topic that are not valid events, unchanged.',
        'deadLetter',
      ),
    },
    operations: {
      publishEvent: {
        action: 'send',
        channel: { $ref: '#/channels/events' },
        summary: 'An event was accepted.',
      },
      processEvent: {
        action: 'receive',
        channel: { $ref: '#/channels/events' },
        summary: 'An event is stored.',
      },
      sendToDeadLetterTopic: {
        action: 'send',
        channel: { $ref: '#/channels/deadLetters' },
        summary: 'A record was dead-lettered.',
      },
    },
    components: {
      messages: {
        event: {
          contentType: 'application/json',
          bindings: { kafka: { key: Type.String({ description: 'The userId.' }) } },
          headers: EVENT_HEADERS,
          payload: EVENT,
        },
        deadLetter: { headers: DEAD_LETTER_HEADERS, payload: { description: 'The bytes of the record.' } },
      },
    },
  };
}

function channel(address: string, description: string, message: string): object {
  return {
    address,
    description,
    messages: { [message]: { $ref: `#/components/messages/${message}` } },
    bindings: { kafka: { topic: address } },
  };
}
