"""What every library of Segment's kind is asked to send."""

import os

URL = os.environ["FOOTFALL_URL"]
KEY = os.environ["FOOTFALL_KEY"]
USER = os.environ["FOOTFALL_USER"]
MORE_THAN_A_USER_ID_MAY_HAVE = 1000


def send_all(client) -> None:
    """client: one with the functions of Segment's library."""
    client.track(USER, "PRODUCT_VIEW", {"name": "Größe"})
    client.track(USER, "Order Completed", {"total": 9.5})
    if "WITH_REFUSED" in os.environ:
        client.track("u" * MORE_THAN_A_USER_ID_MAY_HAVE, "PRODUCT_VIEW", {})
    client.identify(USER, {"city": "Köln"})
    client.page(USER, name="Home")
    client.screen(USER, name="Home")
    client.group(USER, "g-1", {})
    client.alias("anonymous-1", USER)
