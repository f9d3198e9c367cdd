"""Sends an event with each generated client and reads it back: python use.py URL, beside the generated code."""

import json
import os
import sys
import urllib.request

import models
from client import AuthenticatedClient
from client.api.events import get_event, record_event
from client.api.reading import list_events
from client.models import Accepted, EventState, NewEvent, NewEventPayload, Problem, RecordEventAck

url = sys.argv[1]
key = os.environ["FOOTFALL_KEY"]


def with_openapi_python_client() -> None:
    api = AuthenticatedClient(base_url=url, token=key)
    payload = NewEventPayload.from_dict({"by": "openapi-python-client"})
    event = NewEvent(user_id="python", event_type="signed-up", payload=payload)
    accepted = record_event.sync(client=api, body=event, ack=RecordEventAck.STORED)
    assert isinstance(accepted, Accepted), accepted
    state = get_event.sync(accepted.event.event_id, client=api)
    assert isinstance(state, EventState) and state.event == accepted.event, state
    events = list_events.sync(client=api, user_id="python")
    assert events == [accepted.event], events
    unknown = get_event.sync("00000000-0000-4000-8000-000000000000", client=api)
    assert isinstance(unknown, Problem) and unknown.error, unknown
    refused = record_event.sync(client=AuthenticatedClient(base_url=url, token="wrong"), body=event)
    assert isinstance(refused, Problem), refused


def with_datamodel_codegen() -> None:
    event = models.NewEvent(userId="pydantic", eventType="signed-up", payload={"by": "datamodel-codegen"})
    request = urllib.request.Request(
        f"{url}/events/generate?ack=stored",
        data=event.model_dump_json(exclude_none=True).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
    )
    with urllib.request.urlopen(request) as answer:
        accepted = models.Accepted.model_validate_json(answer.read())
    query = urllib.request.Request(
        f"{url}/events/processed?userId=pydantic", headers={"Authorization": f"Bearer {key}"}
    )
    with urllib.request.urlopen(query) as answer:
        events = [models.Event.model_validate(event) for event in json.load(answer)]
    assert events == [accepted.event], events


with_openapi_python_client()
with_datamodel_codegen()
