"""A gateway with fake sinks, whose behaviour a test sets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from lark_provider.callbacks.http.answers import Answer
from lark_provider.callbacks.http.endpoint import RECEIVED, Endpoint
from lark_provider.callbacks.http.gateway import Gateway
from lark_provider.callbacks.http.keys import KeyRing, KeysByApp, by_app
from lark_provider.protocol.callbacks import CallbackKeys, Delivery
from tests.callbacks.virtual import never, run_to_end
from tests.protocol.callbacks import sender
from tests.protocol.callbacks.sender import APP, KEY, NOW, TOKEN

KEYS = CallbackKeys(APP, KEY, TOKEN)
OK = Answer(200, RECEIVED)


class FakeSink:
    """A sink.

    Args:
        name: Its name.
        behaviours: What happens at the first, second, … call; the last one repeats. A number: seconds
            until the delivery is stored; an exception: raised at once; a callable: awaited.
        is_up: Whether it reports to be up.
    """

    def __init__(self, name: str = "queue", *behaviours: Any, is_up: bool = True) -> None:
        self.name, self.is_up = name, is_up
        self.behaviours = list(behaviours)
        self.calls: list[Delivery] = []
        self.stored: list[Delivery] = []
        self.cancelled = 0

    async def probe(self) -> None:
        """Raise ConnectionError if it is down."""
        if not self.is_up:
            raise ConnectionError("down")

    async def store(self, delivery: Delivery) -> None:
        """Store a delivery, or fail, wait or call a function first, as the test set it."""
        self.calls.append(delivery)
        due = self.behaviours.pop(0) if len(self.behaviours) > 1 else (self.behaviours or [0])[0]
        try:
            if isinstance(due, BaseException):
                raise due
            if callable(due):
                await due()
            elif due:
                await asyncio.sleep(due)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.stored.append(delivery)


class KnownKeys(KeyRing):
    """Keys that need no thread."""

    def __init__(self, *keys: CallbackKeys) -> None:
        self.known: KeysByApp = by_app(*keys)
        super().__init__(lambda: self.known)

    async def get(self, app_id: str) -> CallbackKeys | None:
        """Return the keys of an app, or None."""
        return self.known.get(app_id)

    async def get_fresh(
        self, _app_id: str, known: CallbackKeys | None, _seconds: float
    ) -> CallbackKeys | None:
        """Return the keys that are known, since there are no newer ones."""
        return known


def gateway(*places: FakeSink, endpoint: dict[str, Any] | None = None, **settings: Any) -> Gateway:
    """Return a gateway of one app whose clock stands still."""
    rules = Endpoint(clock=lambda: NOW, **(endpoint or {}))
    return Gateway(KnownKeys(KEYS), places or (FakeSink(),), endpoint=rules, **settings)


def request(content: Any = None, make: Callable[[], Any] = sender.card) -> tuple[str, dict[str, str], bytes]:
    """Return the arguments of `Gateway.answer` for a genuine request."""
    body = sender.seal_body(make() if content is None else content)
    return APP, sender.make_headers(body), body


def deliver(over: Gateway, content: Any = None) -> tuple[Answer, float]:
    """Send a genuine request; return the answer, and how long it took by a clock that skips idle time."""

    async def work() -> Answer:
        return await over.answer(*request(content))

    return run_to_end(work)


async def stubborn() -> None:
    """Wait indefinitely, and ignore the first cancellation; the second one ends it, so a test can end."""
    try:
        await never()
    except asyncio.CancelledError:
        await never()


def hide_coroutine_function(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a plain function that returns what a coroutine function does, as a decorator or a lambda may."""

    def call(argument: Any) -> Any:
        return function(argument)

    return call
