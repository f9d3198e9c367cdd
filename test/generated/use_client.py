"""Sends an event with the client of openapi-python-client and reads it back, beside the generated code."""

import os

from client import AuthenticatedClient
from client.api.events import get_event, record_event
from client.api.reading import list_events
from client.models import Accepted, EventState, NewEvent, NewEventPayload, Problem, RecordEventAck

url = os.environ["FOOTFALL_URL"]

api = AuthenticatedClient(base_url=url, token=os.environ["FOOTFALL_KEY"])
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
