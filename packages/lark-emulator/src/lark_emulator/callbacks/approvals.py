"""Events of approvals: to each subscribed app, those of an instance one after the other."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from lark_emulator.callbacks.payloads import make_old_event
from lark_emulator.world.apps import TENANT_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from lark_emulator.clock import Clock
    from lark_emulator.settings import Settings
    from lark_emulator.world.approvals import Instance
    from lark_emulator.world.apps import App
    from lark_emulator.world.world import World

Key = tuple[str, str]


class Pusher(Protocol):
    """What sends events, see `callbacks.events.Events`."""

    def push(
        self, app: App, payload: dict[str, Any], *, copies: int = 1, done: Callable[[], object] | None = None
    ) -> object | None:
        """Send an event; return None if the app has no address for it."""


class NoticeSender(Protocol):
    """What notices need of the emulator that they come from."""

    clock: Clock
    settings: Settings
    world: World

    @property
    def events(self) -> Pusher:
        """What sends them."""


class Notices:
    """The events that are still to be sent, by app and instance.

    The next event of an instance goes out once the one before was acknowledged, or was tried for the last
    time.

    Args:
        lark: The emulator that the notices come from.
    """

    def __init__(self, lark: NoticeSender) -> None:
        self._lark = lark
        self._queues: dict[Key, deque[dict[str, Any]]] = {}
        self._reversed: list[tuple[App, dict[str, Any]]] = []

    def tell(self, instance: Instance, kind: str, members: Callable[[App], dict[str, Any]]) -> None:
        """Tell all apps that subscribed.

        Args:
            instance: The approval instance that has changed.
            kind: The type of the event: `approval_instance` or `approval_task`.
            members: A function that returns the event's members as an app sees them.
        """
        settings, world = self._lark.settings, self._lark.world
        for app_id, code in sorted(world.approvals.subscriptions):
            if code != instance.definition.code or settings.approval_events == "lost":
                continue
            app = world.apps[app_id]
            event = {
                "app_id": app_id,
                "tenant_key": TENANT_KEY,
                "type": kind,
                "approval_code": code,
                "instance_code": instance.code,
                **members(app),
            }
            if settings.approval_operate_time == "numbers":
                event["operate_time"] = int(event["operate_time"])
            if settings.approval_events == "reversed":
                self._reversed.append((app, event))
                if len(self._reversed) == 1:
                    self._postpone(self._push_reversed)
                continue
            key = (app_id, instance.code)
            queue = self._queues.setdefault(key, deque())
            queue.append(event)
            if len(queue) == 1:
                self._postpone(partial(self._push_next, key))

    def _postpone(self, action: Callable[[], None]) -> None:
        clock = self._lark.clock
        clock.set_alarm(clock.get_time() + self._lark.settings.approval_event_delay_s, lambda _: action())

    def _push_reversed(self) -> None:
        waiting, self._reversed = self._reversed, []
        for app, event in reversed(waiting):
            self._push(app, event, lambda: None)

    def _push_next(self, key: Key) -> None:
        def on_done() -> None:
            queue = self._queues[key]
            queue.popleft()
            if queue:
                self._push_next(key)
            else:
                del self._queues[key]

        self._push(self._lark.world.apps[key[0]], self._queues[key][0], on_done)

    def _push(self, app: App, event: dict[str, Any], done: Callable[[], None]) -> None:
        payload = make_old_event(app, self._lark.clock.get_time(), event)
        copies = self._lark.settings.approval_event_copies
        if self._lark.events.push(app, payload, copies=copies, done=done) is None:
            done()  # an app without an address misses it
