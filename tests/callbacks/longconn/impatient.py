"""`listen`, with short times: a program, and the program that it watches."""

from __future__ import annotations

import sys

from lark_provider.callbacks import listen, listener, longconn, official
from lark_provider.callbacks.watchdog import Patience
from lark_provider.core import credentials
from lark_provider.utils.logger import setup_logger

PATIENCE = Patience(silence=8, leave=5, first_pause=0.05, last_pause=0.5)


def main() -> None:
    """Listen with a handler and a proxy."""
    setup_logger()
    listen._PROGRAM = "from tests.callbacks.longconn.impatient import watched; watched()"
    handler, proxy = (text or None for text in sys.argv[1:])
    listen.listen(listen.Settings(handler=handler, proxy=proxy), PATIENCE)


def watched() -> None:
    """Be what is watched."""
    official._ENDPOINT_SECONDS = 1.0
    longconn._MARGIN_SECONDS = 2.0
    longconn._BEAT_SECONDS = 0.1
    listener._LOOK_SECONDS = credentials._HOLDS_SECONDS = 0.1
    listener.main()


if __name__ == "__main__":
    main()
