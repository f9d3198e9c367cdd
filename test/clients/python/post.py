"""Sends a body that is too large with requests, and prints the status of the answer."""

import json
import os

import requests

url = os.environ["FOOTFALL_URL"] + os.environ["PATHNAME"]
body = b"x" * int(os.environ["BODY_BYTES"])
answer = requests.post(url, data=body, headers={"Content-Type": "application/json"})
print(json.dumps({"status": answer.status_code}))
