"""`listen`, with short times: a program."""

from __future__ import annotations

import os
import sys

from lark_provider import metrics
from lark_provider.callbacks.websocket import app_listener, dedup, fleet, intake, listen
from lark_provider.protocol.longconn import reconnect
from lark_provider.utils.logger import setup_logger


def main() -> None:
    """Listen with a handler, a proxy and trusted certificates, for the apps named after them."""
    setup_logger()
    if port := os.environ.get("METRICS_PORT"):
        metrics.start(int(port))
    app_listener.DISCOVERY_SECONDS = 8.0  # a busy machine answers late
    reconnect.SILENCE_SECONDS = 2.0
    reconnect.QUICK_SECONDS = 0.1
    reconnect.REFUSED_SECONDS = 0.5
    reconnect._CROWDED_SECONDS = 0.2
    fleet.RELOAD_SECONDS = 0.1
    dedup._LOOKUP_TIMEOUT_SECONDS = intake.NOTE_SECONDS = 20.0  # but not for a database on a busy machine
    handler, proxy, verify = (text or None for text in sys.argv[1:4])
    trusted = False if verify == "false" else verify or True
    listen.listen(listen.ListenSettings(sys.argv[4:], handler=handler, proxy=proxy, verify=trusted))


if __name__ == "__main__":
    main()
