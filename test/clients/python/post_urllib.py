"""Sends a body that is too large with urllib, and prints the status of the answer."""

import json
import os
import urllib.error
import urllib.request

url = os.environ["FOOTFALL_URL"] + os.environ["PATHNAME"]
body = b"x" * int(os.environ["BODY_BYTES"])
try:
    with urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": "application/json"})) as answer:
        status = answer.status
except urllib.error.HTTPError as error:
    status = error.code
print(json.dumps({"status": status}))
