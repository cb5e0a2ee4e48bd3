"""One emulated Lark: its tenant, its settings, and all else that a request or a click may meet."""

from __future__ import annotations

import sys
import time
import traceback
from collections import deque
from typing import TYPE_CHECKING, Any

from lark_emulator import gaps
from lark_emulator.callbacks.approvals import Notices
from lark_emulator.callbacks.events import Events
from lark_emulator.callbacks.post import Courier
from lark_emulator.clock import Clock
from lark_emulator.faults import Faults
from lark_emulator.late import LateRequests
from lark_emulator.limits import Windows
from lark_emulator.request_log import KEPT, RequestLog
from lark_emulator.settings import Settings
from lark_emulator.slicing import with_turns
from lark_emulator.tokens import Tokens
from lark_emulator.websocket.links import Links
from lark_emulator.world.world import World

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from lark_emulator.routing import Route
    from lark_emulator.stubs.planned import Stubs


class Lark:
    """What an emulator holds. Touched only on the server's own thread.

    Args:
        settings: Settings that differ from the defaults, now and after each reset.
    """

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        self._initial_settings = dict(settings or {})
        self.loop: asyncio.AbstractEventLoop | None = None
        """Where it runs; None while it is stopped."""
        self.wake: Callable[[], object] = lambda: None
        """Is called when something is due earlier than it was."""
        self.courier = Courier()
        self.links = Links(Clock(), Settings(), self.report_crash)
        self.activity = 0
        """Counts what may have changed something: requests, controls, what is due by the clock."""
        self.generation = 0
        """Counts resets."""
        self.prepare: Callable[[Lark], object] = lambda _: None
        """Puts in what is to be there after a reset, such as the seed of the command."""
        self.touched = 0
        """How often something was asked for that may have changed the state."""
        self._freeing: set[asyncio.Task[None]] = set()
        self._log_second = 0
        self._log_prefix = ""
        self._log_count = 0
        self.reset()

    def reset(self) -> None:
        """Return to the state of a fresh emulator: tenant, settings, clock, faults, log."""
        self.generation += 1
        self.settings = self.make_initial_settings()
        self.courier.give_up()
        self.links.give_up()
        self.links.drop_all()
        self.when_running: list[Callable[[], object]] = []
        """What came while it was stopped and needs it running."""
        self._free()
        self.clock = Clock(lambda: self.wake())  # noqa: PLW0108 - the server sets it later
        self.world = World(self.clock)
        self.tokens = Tokens(self.clock, self.settings)
        self.limits = Windows(self.clock)
        self.faults = Faults()
        self.stubs: Stubs | None = None
        """Answers that a test plans; None until there are some."""
        self.late = LateRequests(self.clock)
        self.log = RequestLog(self.settings, self.list_secrets)
        self.links = Links(self.clock, self.settings, self.report_crash)
        self.events = Events(self)
        self.clicks: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.connect()
        self.links.on_ready = self.events.on_connect
        self.prepare(self)

    def connect(self) -> None:
        """Let apps be sent the events of the tenant."""
        self.world.ticket_issued = self.events.push_ticket
        self.world.announce = self.events.announce
        self.world.approvals.tell = Notices(self).tell

    def _free(self) -> None:
        """Free the previous tenant in steps, so that others are served while a million records are freed."""
        if self.loop is None:
            return
        freeing = self.loop.create_task(with_turns(self.world.free()))
        self._freeing.add(freeing)
        freeing.add_done_callback(self._freeing.discard)

    def make_initial_settings(self) -> Settings:
        """Return the settings that it starts with, and has after each reset."""
        settings = Settings()
        settings.change(self._initial_settings)
        return settings

    def report_crash(self, error: BaseException) -> None:
        """Count and print a bug of the emulator: it must be seen, and must not end the server."""
        self.log.crashes += 1
        traceback.print_exception(error, file=sys.stderr)

    def list_secrets(self) -> list[str]:
        """Return the credentials that exist: none of them may show in the request log."""
        credentials: list[str | None] = []
        for app in self.world.apps.values():
            credentials += [app.secret, app.app_ticket]
            if app.subscription is not None:
                credentials += [app.subscription.verification_token, app.subscription.encrypt_key]
        for bot in self.world.webhook_bots.values():
            credentials += [bot.token, bot.secret]
        return [value for value in credentials if value]

    def report_missing(self, route: Route) -> None:
        """Count a request for an endpoint that is not emulated, and print the first one for each."""
        self.log.gaps[route.name] += 1
        if self.log.gaps[route.name] == 1:
            sys.stderr.write(f"{gaps.describe_gap(route)}\n")

    def make_log_id(self) -> str:
        """Return what an answer is known by."""
        second = int(self.clock.get_time())
        if second != self._log_second:
            self._log_second = second
            self._log_prefix = time.strftime("%Y%m%d%H%M%S", time.gmtime(second))
        self._log_count += 1
        return f"{self._log_prefix}{self._log_count:018X}"
