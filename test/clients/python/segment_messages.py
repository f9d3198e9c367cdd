import json

import segment.analytics as analytics
from messages import KEY, URL, send_all

errors: list[str] = []
analytics.write_key = KEY
analytics.host = URL
analytics.on_error = lambda error, _batch: errors.append(repr(error))
send_all(analytics)
analytics.shutdown()
print(json.dumps({"errors": errors}))
