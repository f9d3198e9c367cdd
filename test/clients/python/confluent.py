"""Writes events with confluent-kafka and the partitioner of the docs, and reads the topic."""

import json

from confluent_kafka import Consumer, Producer
from kafka_events import BROKERS, TOPIC, USERS, events


def failed(error, _message) -> None:
    if error is not None:
        raise SystemExit(str(error))


producer = Producer({"bootstrap.servers": BROKERS, "partitioner": "murmur2_random"})
for event in events():
    producer.produce(TOPIC, key=event["userId"], value=json.dumps(event), on_delivery=failed)
producer.flush()

consumer = Consumer({"bootstrap.servers": BROKERS, "group.id": "confluent-kafka", "auto.offset.reset": "earliest"})
consumer.subscribe([TOPIC])
records = []
while len(records) < 2 * len(USERS):
    message = consumer.poll(1)
    if message is None:
        continue
    failed(message.error(), message)
    headers = dict(message.headers() or [])
    kind = headers.get("event-type", b"").decode()
    records.append({"user": message.key().decode(), "partition": message.partition(), "type": kind})
consumer.close()
print(json.dumps({"records": records}))
