"""What every Kafka client writes: an event for each user."""

import json
import os
from datetime import datetime, timezone

BROKERS = os.environ["KAFKA_BROKERS"]
TOPIC = os.environ["KAFKA_TOPIC"]
USERS: list[str] = json.loads(os.environ["USERS"])


def events() -> list[dict]:
    return [
        {
            "eventId": f"0198c0de-0000-7000-8000-{number:012}",
            "userId": user,
            "eventType": "LOGOUT",
            "timestamp": datetime.now(timezone.utc).isoformat(),
            "payload": {"city": "Köln"},
        }
        for number, user in enumerate(USERS)
    ]
