"""The API of the 2.x releases, as their README shows it."""

import json
import os

import requests
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

url = os.environ["FOOTFALL_URL"] + "/cloudevents"


def send(id: str, convert) -> None:
    attributes = {"id": id, "source": "/matrix", "type": "LOGIN", "subject": os.environ["FOOTFALL_USER"]}
    message = convert(CloudEvent(attributes, {"city": "Köln"}))
    requests.post(url, data=message.body, headers=message.headers).raise_for_status()


for id, convert in [("binary", to_binary_event), ("structured", to_structured_event)] * 2:
    send(id, convert)
print(json.dumps({"errors": []}))
