"""The way of a request: host check, control plane, faults, route, token, app, scopes, limits, handler."""

from __future__ import annotations

import sys
import time
import traceback
from collections import deque
from typing import TYPE_CHECKING, Any

from lark_provider.emulator import codes, control, routes
from lark_provider.emulator.apps import App, check_bot, check_usable
from lark_provider.emulator.callbacks.events import Events
from lark_provider.emulator.callbacks.post import Courier
from lark_provider.emulator.clock import Clock
from lark_provider.emulator.codes import BITABLE_CODES, RefusedError
from lark_provider.emulator.exchange import Answer, Outcome, as_json, plain
from lark_provider.emulator.faults import Faults
from lark_provider.emulator.limits import Windows
from lark_provider.emulator.request_log import KEPT, Entry, RequestLog
from lark_provider.emulator.routing import Call
from lark_provider.emulator.scopes import check_scopes
from lark_provider.emulator.settings import Settings
from lark_provider.emulator.tokens import Tokens
from lark_provider.emulator.world import World

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from lark_provider.emulator.exchange import Request
    from lark_provider.emulator.faults import Fault
    from lark_provider.emulator.routing import Route

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

#: Who calls an endpoint that asks for no token.
_NOBODY = App("", "", "nobody")


class Lark:
    """One emulated Lark: a tenant, its settings and everything that answers for it.

    Args:
        allowed_hosts: names accepted in the Host header. A web page that made a browser resolve its own
            name to 127.0.0.1 (DNS rebinding) sends that name, and is turned away.
        settings: settings that differ from the defaults, now and after each reset.
    """

    def __init__(
        self,
        allowed_hosts: Iterable[str] = LOOPBACK_NAMES,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._allowed_hosts = frozenset(name.lower() for name in allowed_hosts)
        self._initial_settings = dict(settings or {})
        self.loop: asyncio.AbstractEventLoop | None = None
        """Where it runs; None while it is stopped."""
        self.wake: Callable[[], object] = lambda: None
        """Is called when something is due earlier than it was."""
        self.courier = Courier()
        self._log_second = 0
        self._log_prefix = ""
        self._log_count = 0
        self.reset()

    def reset(self) -> None:
        """Return to the state of a fresh emulator: tenant, settings, clock, faults, log."""
        self.settings = Settings()
        self.settings.change(self._initial_settings)
        self.courier.give_up()
        self.when_running: list[Callable[[], object]] = []
        """What came while it was stopped and needs it running."""
        self.clock = Clock(lambda: self.wake())  # noqa: PLW0108 - the server sets it later
        self.world = World(self.clock)
        self.tokens = Tokens(self.clock, self.settings)
        self.limits = Windows(self.clock)
        self.faults = Faults()
        self.log = RequestLog()
        self.events = Events(self)
        self.clicks: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.world.ticket_issued = self.events.push_ticket

    def connected(self) -> None:
        """Count an accepted connection."""
        self.log.connections += 1

    def handle(self, request: Request) -> Outcome:
        """Perform one request."""
        self.clock.ring()
        if not self._host_allowed(request.headers.get("host", "")):
            return Outcome(plain(403, "this Host is not served by the Lark emulator"))
        if request.path.startswith(control.PREFIX):
            return self._controlled(request)
        found = routes.TABLE.match(request.method, request.path)
        route = None if found is None else found[0]
        fault = self.faults.strike(request, route)
        call = None
        if fault is not None and (fault.answers or fault.drop == "before"):
            answer = fault.answer()
        elif found is None:
            answer = plain(404, "404 page not found")
        else:
            answer, call = self._answered(request, *found)
        return self._finished(request, route, fault, answer, call)

    def _host_allowed(self, host: str) -> bool:
        name = host[: host.rindex(":")] if ":" in host.rpartition("]")[2] else host
        return name.strip("[]").lower() in self._allowed_hosts

    def _answered(self, request: Request, route: Route, params: dict[str, str]) -> tuple[Answer, Call | None]:
        app, tenant_key = _NOBODY, ""
        call = None
        log_id = self._next_log_id()
        try:
            if route.token:
                grant = self.tokens.caller_of(request.headers.get("authorization", ""))
                app, tenant_key = grant.app, grant.tenant_key
                check_usable(app, tenant_key)
                check_scopes(app, route)
                check_bot(app, route)
            call = Call(
                self.world,
                self.settings,
                app,
                tenant_key,
                self.tokens,
                route,
                params,
                dict(request.query),
                request.query,
                request.body,
                request.headers.get("content-type", ""),
            )
            throttled = self._throttled(route, call, log_id)
            if throttled is not None:
                return throttled, call
            payload = route.handler(call)
        except RefusedError as refusal:
            return self._refusal(refusal, route, log_id), call
        except Exception as error:  # noqa: BLE001 - a bug of ours must be seen, and must not end the server
            return _named(self.crashed(error), log_id), call
        if isinstance(payload, Answer):
            return _named(payload, log_id), call
        if route.flat:
            return _named(as_json({"code": 0, "msg": "ok", **payload}), log_id), call
        return _named(as_json({"code": 0, "msg": "success", "data": payload}), log_id), call

    def _controlled(self, request: Request) -> Outcome:
        try:
            answer = control.handle(self, request)
        except Exception as error:  # noqa: BLE001 - as above
            return Outcome(self.crashed(error))
        return Outcome(answer) if isinstance(answer, Answer) else Outcome(None, later=self._guarded(answer))

    async def _guarded(self, answer: Awaitable[Answer]) -> Answer:
        try:
            return await answer
        except Exception as error:  # noqa: BLE001 - as above
            return self.crashed(error)

    def crashed(self, error: BaseException) -> Answer:
        """Count and print a bug of the emulator, and return what to answer."""
        self.log.crashes += 1
        traceback.print_exception(error, file=sys.stderr)
        return as_json({"code": 500, "msg": "the emulator crashed, see its stderr"}, 500)

    def _throttled(self, route: Route, call: Call, log_id: str) -> Answer | None:
        if not self.settings.rate_limits:
            return None
        rates = self.settings.rate_limit_overrides.get(route.name, route.documented.rates)
        tripped = self.limits.take((call.app.app_id, call.tenant_key, route.name), rates) if rates else None
        if tripped is None:
            return None
        answer = self._refusal(RefusedError(codes.RATE_LIMITED), route, log_id)
        answer.headers["x-ogw-ratelimit-limit"] = f"{tripped[0]:g}"
        answer.headers["x-ogw-ratelimit-reset"] = f"{tripped[1]:.3f}"
        return answer

    def _refusal(self, refusal: RefusedError, route: Route, log_id: str) -> Answer:
        number, status = refusal.code.number, refusal.code.status
        if number in BITABLE_CODES:
            documented = route.documented.statuses.get(number, status)
            status = 200 if self.settings.bitable_error_status == "200" else documented
        payload: dict[str, Any] = {"code": number, "msg": refusal.msg}
        # Token endpoints alone answer without an `error` object.
        if route.token:
            payload["error"] = {
                "log_id": log_id,
                "troubleshooter": f"https://open.feishu.cn/search?log_id={log_id}",
                **refusal.error,
            }
        elif number == codes.INVALID_TOKEN_PARAM.number:
            payload["data"] = {}
        return _named(as_json(payload, status), log_id)

    def _finished(
        self, request: Request, route: Route | None, fault: Fault | None, answer: Answer, call: Call | None
    ) -> Outcome:
        log_id = answer.headers.get("X-Tt-Logid")
        if log_id is None:
            log_id = self._next_log_id()
            _named(answer, log_id)
        dropped = None if fault is None else fault.drop
        self.log.note(
            Entry(
                self.clock.now(),
                request.method,
                # Without a token the path may be the credential, as a webhook's is.
                request.path if route is None or route.token else route.path,
                request.query,
                None if route is None else route.name,
                None if dropped else answer.status,
                None if dropped == "before" else answer.code,
                log_id,
                len(request.body),
                None if call is None or call.app is _NOBODY else call.app.app_id,
                None if call is None else call.tenant_key or None,
                performed=call is not None,
                dropped=dropped,
                fault=fault is not None,
            )
        )
        hold, release = (0.0, None) if call is None else (call.hold, call.release)
        milliseconds = self.settings.latency_ms + (0 if fault is None else fault.delay_ms)
        return Outcome(None if dropped else answer, hold + milliseconds / 1000, release)

    def _next_log_id(self) -> str:
        second = int(self.clock.now())
        if second != self._log_second:
            self._log_second = second
            self._log_prefix = time.strftime("%Y%m%d%H%M%S", time.gmtime(second))
        self._log_count += 1
        return f"{self._log_prefix}{self._log_count:018X}"


def _named(answer: Answer, log_id: str) -> Answer:
    answer.headers["X-Tt-Logid"] = log_id
    answer.headers["X-Request-Id"] = f"emulator-{log_id}"
    return answer
