import { Kafka, logLevel } from 'kafkajs';
import { events, topic, users } from './kafka-events.js';

const kafka = new Kafka({ brokers: [process.env.KAFKA_BROKERS], logLevel: logLevel.ERROR });
const producer = kafka.producer();
await producer.connect();
await producer.send({
  topic,
  messages: events.map((event) => ({ key: event.userId, value: JSON.stringify(event) })),
});
await producer.disconnect();

const consumer = kafka.consumer({ groupId: 'kafkajs' });
await consumer.connect();
await consumer.subscribe({ topic, fromBeginning: true });
const records = [];
await new Promise((all) => {
  consumer.run({
    eachMessage: async ({ partition, message: { key, headers } }) => {
      records.push({ user: String(key), partition, type: String(headers['event-type'] ?? '') });
      if (records.length === 2 * users.length) all();
    },
  });
});
await consumer.disconnect();
console.log(JSON.stringify({ records }));
