"""The long connection: what Lark sends comes over a WebSocket that we open, so that no address is public.

The official SDK's client (lark-oapi 1.7) speaks the protocol, and has ways that are kept in here:

- it makes its event loop where it is imported, and blocks there for ever: so it has a thread of its own;
- it handles one thing at a time, so that a slow handler delays all that follows, and leaves frames of type
  `card` unanswered: so whatever comes is handed to our loop, and answered when that is done;
- it may stop reconnecting, or be stuck, without a word: so its loop tells us each second how things are.
  Where it does not even do that, nobody in this process can help; see `watchdog`.

See https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/event-subscription-guide/callback-subscription/configure-callback-request-address
"""

# ruff: noqa: SLF001 - the SDK has no public way to any of this; `official` sees that it has these
from __future__ import annotations

import asyncio
import base64
import gc
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeAlias

import orjson

from lark_provider.callbacks import official
from lark_provider.callbacks.answers import Answer
from lark_provider.core import threads
from lark_provider.protocol.errors import ConfigurationError, LarkError, TransportError
from lark_provider.protocol.redact import redact
from lark_provider.protocol.tokens import App

logger = logging.getLogger(__name__)

Take: TypeAlias = Callable[[bytes, float], Coroutine[Any, Any, Answer]]
"""Answers the JSON of a click or an event, given when it came by the loop's clock."""

_BEAT_SECONDS = 1.0
_LEAVE_SECONDS = 4.0
_MARGIN_SECONDS = 30.0  # a try takes some time as well
_KINDS = frozenset({"event", "card"})
_MOST_PARTS = 1000
_OK, _TROUBLE = 200, 500
_CONSOLE = "choose the long connection under Events & callbacks in the developer console of a custom app"
_CREDENTIALS = "check the app's id and secret"
_STEPS = {
    403: _CONSOLE,
    514: _CREDENTIALS,
    1000040344: _CREDENTIALS,
    1000040345: _CREDENTIALS,
    1000040350: "stop some of the listeners: an app has at most 50",
}


class LongConnection:
    """A long connection of one app, in a thread of its own. Made on the loop that is to answer.

    Args:
        app: Whose.
        take: Awaited on this loop with whatever comes.
        beat: Called on this loop once a second as long as the connection's own loop lives, with whether the
            connection is up.
        proxy: URL of an HTTP proxy; else the environment is asked.

    Attributes:
        ended: Fails when the connection will not come back by itself: with a ConfigurationError if Lark
            refuses it, else with a TransportError.
    """

    def __init__(self, app: App, take: Take, beat: Callable[[bool], None], proxy: str | None = None) -> None:
        self._app, self._take, self._beat, self._proxy = app, take, beat, proxy
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._client: Any = None
        self._client_loop: asyncio.AbstractEventLoop | None = None
        self._happened = time.monotonic()
        self._in_hand: set[asyncio.Task[Any]] = set()
        self._is_leaving = False
        self._step = f"Next: see whether this machine reaches {app.base_url}."
        threads.start(self._run)

    async def leave(self) -> None:
        """Answer what is in hand and close the connection, if that can be done in a few seconds."""
        self._is_leaving = True
        if self._client_loop is None:
            return
        leaving = asyncio.run_coroutine_threadsafe(self._leave(), self._client_loop)
        done, _ = await asyncio.wait({asyncio.wrap_future(leaving)}, timeout=_LEAVE_SECONDS)
        if not done:
            logger.warning("The long connection was not closed in time, and is cut.")

    # What follows runs in the thread of the connection.

    def _run(self) -> None:
        try:
            # Nothing of what the import makes is garbage: not to look for any halves its time, and that of
            # the process's end.
            gc.disable()
            import lark_oapi.ws.client as ws  # noqa: PLC0415 - takes 170 MB, and makes the loop of this thread

            gc.freeze()
            gc.enable()
            official.fit(ws, self._proxy)
            self._client = self._made(ws)
            self._client_loop = ws.loop
            self._pulsing = ws.loop.create_task(self._pulse())
            self._client.start()
        except Exception as error:  # noqa: BLE001 - the SDK's own kinds among them
            self._client_loop = None  # it runs no more
            self._end(error)

    def _made(self, ws: Any) -> Any:
        ours = self

        class Client(ws.Client):  # type: ignore[misc]  # the SDK ships no types
            async def _connect(self) -> None:
                ours._happened = time.monotonic()
                await super()._connect()
                ours._loop.call_soon_threadsafe(ours._beat, True)  # before anything comes

            async def _handle_message(self, message: Any) -> None:
                ours._happened = time.monotonic()
                await super()._handle_message(message)

            async def _handle_data_frame(self, frame: Any) -> None:
                await ours._handle(frame)

            async def _reconnect(self) -> None:
                await ours._reconnect(super()._reconnect)

        return Client(
            self._app.app_id, self._app.app_secret, log_level=ws.LogLevel.WARNING, domain=self._app.base_url
        )

    async def _pulse(self) -> None:
        try:
            while True:
                self._look()
                await asyncio.sleep(_BEAT_SECONDS)
        except Exception as error:  # noqa: BLE001 - settings that Lark sends are among what is looked at
            self._end(error)

    def _look(self) -> None:
        """Tell how things are; raise where nothing has happened for too long."""
        client, silence = self._client, time.monotonic() - self._happened
        is_up = client._conn is not None
        # Lark sets the pace of the pings, each of which it answers, and that of the tries to connect again.
        pace = client._ping_interval if is_up else client._reconnect_nonce + client._reconnect_interval
        if silence > 2 * pace + _MARGIN_SECONDS:
            state = "brought nothing" if is_up else "was not even tried"
            raise TransportError(f"The long connection {state} for {silence:.0f} s. {self._step}")
        self._loop.call_soon_threadsafe(self._beat, is_up)

    async def _reconnect(self, reconnect: Callable[[], Awaitable[None]]) -> None:
        if self._is_leaving:
            return
        try:
            await reconnect()
        except Exception as error:  # noqa: BLE001 - whatever it is, the SDK does not try again
            self._end(error)

    async def _handle(self, frame: Any) -> None:
        """Answer a frame."""
        headers = {header.key: header.value for header in frame.headers}
        payload = self._whole(frame.payload, headers) if headers.get("type") in _KINDS else None
        if payload is None:
            return
        task, client, connection = asyncio.current_task(), self._client, self._client._conn
        assert task is not None  # noqa: S101 - the SDK makes one for each frame
        self._in_hand.add(task)
        try:
            began = time.monotonic()
            taking = asyncio.run_coroutine_threadsafe(self._take(payload, began), self._loop)
            answer = await asyncio.wrap_future(taking)
            frame.headers.add(key="biz_rt", value=str(round((time.monotonic() - began) * 1000)))
            frame.payload = _reply(answer)
            if client._conn is connection:  # a newer one knows nothing of the question
                await client._write_message(frame.SerializeToString())
        finally:
            self._in_hand.discard(task)

    def _whole(self, payload: bytes, headers: dict[str, str]) -> bytes | None:
        """What was sent, once all its parts are there."""
        parts, part = int(headers["sum"]), int(headers["seq"])
        if parts <= 1:
            return payload
        if not 0 <= part < parts <= _MOST_PARTS:
            raise ValueError(f"part {part} of {parts}")
        whole: bytes | None = self._client._combine(headers["message_id"], parts, part, payload)
        return whole

    async def _leave(self) -> None:
        if self._in_hand:
            await asyncio.wait(set(self._in_hand))
        official.hush()
        await self._client._disconnect()

    def _end(self, error: Exception) -> None:
        why = error if isinstance(error, LarkError) else self._explained(error)

        def end() -> None:
            if not self.ended.done():
                self.ended.set_exception(why)

        self._loop.call_soon_threadsafe(end)

    def _explained(self, error: Exception) -> LarkError:
        if type(error).__name__ != "ClientException":  # the SDK's name for what no repeat can mend
            return TransportError(f"The long connection is lost: {error!r:.300}. {self._step}")
        said, step = redact(str(error), self._app.app_secret), _STEPS.get(getattr(error, "code", 0), _CONSOLE)
        return ConfigurationError(
            f"Lark refuses the long connection of app {self._app.app_id}: {said}. Next: {step}."
        )


def _reply(answer: Answer) -> bytes:
    code = _OK if answer.status == _OK else _TROUBLE
    return orjson.dumps({"code": code, "headers": {}, "data": base64.b64encode(answer.body).decode()})
