"""Sends an event with the models of datamodel-codegen and reads it back, beside the generated code."""

import json
import os
import urllib.request

import models

url = os.environ["FOOTFALL_URL"]
authorization = {"Authorization": f"Bearer {os.environ['FOOTFALL_KEY']}"}

event = models.NewEvent(userId="pydantic", eventType="signed-up", payload={"by": "datamodel-codegen"})
request = urllib.request.Request(
    f"{url}/events/generate?ack=stored",
    data=event.model_dump_json(exclude_none=True).encode(),
    headers={"Content-Type": "application/json", **authorization},
)
with urllib.request.urlopen(request) as answer:
    accepted = models.Accepted.model_validate_json(answer.read())
query = urllib.request.Request(f"{url}/events/processed?userId=pydantic", headers=authorization)
with urllib.request.urlopen(query) as answer:
    events = [models.Event.model_validate(event) for event in json.load(answer)]
assert events == [accepted.event], events
