"""`listen`: clicks and events over a long connection, which a process of its own holds; see `listener`.

Any number may run for an app, on any number of hosts: Lark gives each click and each event to one of them.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import asdict, dataclass, field

import orjson

from lark_provider.callbacks.watchdog import Patience, Watchdog

_PROGRAM = "from lark_provider.callbacks.listener import main; main()"


@dataclass(frozen=True, slots=True)
class Settings:
    """What to listen for, and how.

    Attributes:
        app_id: The app; else `LARK_APP_ID` or `LARK_DEFAULT_APP_ID`, or the only one of the registry.
        handler: Where to import the function from that answers clicks: `package.module.function`.
        proxy: URL of an HTTP proxy; else the environment is asked (`HTTPS_PROXY`, `NO_PROXY`).
    """

    app_id: str | None = None
    handler: str | None = None
    proxy: str | None = field(default=None, repr=False)


def listen(settings: Settings, patience: Patience | None = None) -> None:
    """Keep a long connection until SIGTERM or SIGINT, and answer and keep what comes as the gateway does.

    Clicks are kept in RabbitMQ or in the database, as the environment configures them. For the main thread.

    Args:
        settings: What to listen for.
        patience: For how long to wait for the process that holds the connection.

    Raises:
        ConfigurationError: It cannot work as things are: there is neither a database nor RabbitMQ, there are
            no credentials, the handler is not found, the SDK is too old, or Lark refuses the connection.
    """
    command = (sys.executable, "-c", _PROGRAM)
    watchdog = Watchdog(command, orjson.dumps(asdict(settings)), patience or Patience())

    async def watch() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await watchdog.run(stop)

    asyncio.run(watch())
