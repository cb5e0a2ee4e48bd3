"""The process that holds a long connection: a program, started and watched by `listen`.

It may be killed at any time: what it has answered is kept already.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

import orjson

from lark_provider.callbacks import destinations, official
from lark_provider.callbacks.answers import Answer
from lark_provider.callbacks.endpoint import TROUBLE
from lark_provider.callbacks.gateway import Gateway
from lark_provider.callbacks.keys import KeyRing
from lark_provider.callbacks.listen import Settings
from lark_provider.callbacks.longconn import LongConnection
from lark_provider.callbacks.watchdog import DOWN, LOST, REFUSED, UP, Watched
from lark_provider.core import config, threads
from lark_provider.core.credentials import find
from lark_provider.core.drivers import drive
from lark_provider.core.session import Session
from lark_provider.protocol.callbacks import CallbackRefusedError, Delivery, read
from lark_provider.protocol.errors import ConfigurationError, LarkError, TransportError
from lark_provider.protocol.tokens import App
from lark_provider.utils.logger import setup_logger

T = TypeVar("T")
logger = logging.getLogger(__name__)

_LOOK_SECONDS = 2.0


class _Prepared(NamedTuple):
    """What a connection needs."""

    app: App
    gateway: Gateway
    background: list[Callable[[], Awaitable[None]]]


def _prepare(settings: Settings) -> _Prepared:
    """Find everything that can be found wrong before Lark is asked.

    Raises:
        LarkError: Something is wrong.
    """
    official.check(settings.proxy)
    if settings.proxy is not None:
        config.proxy(settings.proxy)
    sinks, background = destinations.configured()
    gateway = Gateway(KeyRing(dict), sinks, handler=settings.handler)  # no keys: nothing has to be proven
    if not background:
        from lark_provider.core.storage import inbox, urls  # noqa: PLC0415 - only who has a database pays

        inbox.Inbox(urls.database()).database_id()
    return _Prepared(_app(settings.app_id), gateway, background)


def _app(app_id: str | None) -> App:
    session = Session(app_id)
    return drive(find(session), session)


class _Listener:
    """Listens, until it has to end.

    Args:
        settings: What for.
        say: Takes signs of life.
    """

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self._settings, self._say = settings, say
        self._gateway: Gateway
        self._connection: LongConnection | None = None
        self._is_leaving = False

    async def run(self) -> None:
        """Listen for as long as that is possible.

        Raises:
            LarkError: It is not, or not any more.
        """
        app, self._gateway, background = await _in_thread(lambda: _prepare(self._settings))
        self._connection = LongConnection(app, self._take, self._beat, self._settings.proxy)
        await asyncio.gather(
            self._connection.ended, self._while_allowed(app.app_id), *(work() for work in background)
        )

    async def leave(self) -> None:
        """Answer what is in hand, turn away what still comes, and close the connection."""
        self._is_leaving = True
        if self._connection is not None:
            await self._connection.leave()

    async def _while_allowed(self, app_id: str) -> None:
        """Fail when the app is disabled in the registry: then nobody is to act for it."""
        said = ""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                await _in_thread(lambda: _app(app_id))
            except ConfigurationError:
                raise
            except LarkError as error:
                if str(error) != said:
                    said = str(error)
                    logger.warning("Listening on, though the app cannot be looked up: %s", said)

    def _beat(self, is_up: bool) -> None:
        self._say(UP if is_up else DOWN)

    async def _take(self, payload: bytes, began: float) -> Answer:
        try:
            delivery = _read(payload)
        except (CallbackRefusedError, orjson.JSONDecodeError) as error:
            logger.warning("What came is neither a click nor an event: %s", error)
            return TROUBLE
        if self._is_leaving:
            return self._gateway.endpoint.failed(delivery)
        return await self._gateway.keep(delivery, began + self._gateway.deadline)


def _read(payload: bytes) -> Delivery:
    content = orjson.loads(payload)
    if not isinstance(content, dict):
        raise CallbackRefusedError("It is no JSON object. Next: if Lark sent it, report it.")
    holder = content.get("header") if "schema" in content else content
    if isinstance(holder, dict):
        holder.pop("token", None)  # proves requests to a callback URL, and is to travel no further
    return read(content)


async def _in_thread(work: Callable[[], T]) -> T:
    return await asyncio.wrap_future(threads.start(work))


async def _listen(number: int) -> None:
    watched = await Watched.attach(number)
    listener = _Listener(Settings(**orjson.loads(watched.settings)), watched.say)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    running = asyncio.ensure_future(listener.run())
    told = [asyncio.ensure_future(watched.told_to_leave()), asyncio.ensure_future(stop.wait())]
    await asyncio.wait({running, *told}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        error = running.exception()
        if not isinstance(error, LarkError):
            running.result()
        watched.say(LOST if isinstance(error, TransportError) else REFUSED, str(error))
    await listener.leave()


def main() -> None:
    """Listen. The last argument is the file descriptor of the watchdog's socket."""
    setup_logger()
    asyncio.run(_listen(int(sys.argv[-1])))
