"""Writes events with kafka-python as it is at first, and reads the topic."""

import json

from kafka import KafkaConsumer, KafkaProducer
from kafka_events import BROKERS, TOPIC, USERS, events

producer = KafkaProducer(bootstrap_servers=BROKERS)
for event in events():
    producer.send(TOPIC, key=event["userId"].encode(), value=json.dumps(event).encode()).get()
producer.close()

consumer = KafkaConsumer(TOPIC, bootstrap_servers=BROKERS, auto_offset_reset="earliest")
records = []
for message in consumer:
    kind = dict(message.headers).get("event-type", b"").decode()
    records.append({"user": message.key.decode(), "partition": message.partition, "type": kind})
    if len(records) == 2 * len(USERS):
        break
consumer.close()
print(json.dumps({"records": records}))
