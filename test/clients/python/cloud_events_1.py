"""The API of the 1.x releases, as their README shows it: in binary form it sends no Content-Type."""

import json
import os

import requests
from cloudevents.http import CloudEvent, to_binary, to_structured

url = os.environ["FOOTFALL_URL"] + "/cloudevents"


def send(id: str, convert) -> None:
    attributes = {"id": id, "source": "/matrix", "type": "LOGIN", "subject": os.environ["FOOTFALL_USER"]}
    headers, body = convert(CloudEvent(attributes, {"city": "Köln"}))
    requests.post(url, data=body, headers=headers).raise_for_status()


for id, convert in [("binary", to_binary), ("structured", to_structured)] * 2:
    send(id, convert)
print(json.dumps({"errors": []}))
