"""A consumer of events in a thread of the test, and the events that it gets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lark_provider.callbacks.broker.consumer import consume
from lark_provider.protocol.callbacks import Event
from tests.callbacks import mq
from tests.protocol.callbacks import sender


def make_event(event_id: str, kind: str = "drive.file.edit_v1", **content: Any) -> dict[str, Any]:
    payload = sender.make_event()
    payload["header"] |= {"event_id": event_id, "event_type": kind}
    del payload["header"]["token"]
    payload["event"] = content
    return payload


def send(url: str, *events: object) -> None:
    mq.send(url, "event.cli_1", *events)


@contextmanager
def consuming(url: str, handler: Callable[[Event], object], **settings: Any) -> Iterator[threading.Thread]:
    """Consume in a thread, and see that it ends well when it is told to."""
    stop, errors = threading.Event(), []

    def work() -> None:
        try:
            consume(
                handler, broker=mq.at(url, heartbeat=settings.pop("heartbeat", None)), stop=stop, **settings
            )
        except BaseException as error:  # noqa: BLE001 - it is raised below
            errors.append(error)

    running = threading.Thread(target=work)
    running.start()
    try:
        yield running
    finally:
        stop.set()
        running.join(10)
        assert not running.is_alive()
        assert errors == []


class Seen:
    """A handler that takes note, and then does something."""

    def __init__(self, then: Callable[[Event], object] = bool) -> None:
        self.ids: list[str] = []
        self._then = then

    def __call__(self, event: Event) -> None:
        self.ids.append(event.event_id)
        self._then(event)


def fail(*_: object) -> None:
    raise ValueError("app_secret=hunter2 is not liked")
