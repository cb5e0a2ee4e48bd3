"""The way of a request: host check, control plane, faults, route, token, app, scopes, limits, handler."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, NamedTuple

from lark_emulator import codes, discovery, routes
from lark_emulator.bitable import client_tokens
from lark_emulator.clock import format_http_date
from lark_emulator.codes import BITABLE_CODES, RefusedError
from lark_emulator.control import guard, plane
from lark_emulator.exchange import Answer, Outcome, as_json, make_plain_answer
from lark_emulator.faults import FIRST, LATE
from lark_emulator.gaps import HEADER, VALUE
from lark_emulator.oauth.older import at_user_info
from lark_emulator.page import service
from lark_emulator.request_log import Body, Entry
from lark_emulator.routing import Call
from lark_emulator.scopes import check_bot, check_scopes, check_user_scopes
from lark_emulator.slicing import at_once, with_turns
from lark_emulator.world.apps import App, check_usable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from lark_emulator.exchange import Request
    from lark_emulator.faults import Fault
    from lark_emulator.lark import Lark
    from lark_emulator.routing import Route

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

_BAD_REQUEST = 400
#: Who calls an endpoint that asks for no token.
_NOBODY = App("", "", "nobody")
_TROUBLESHOOTER = "排查建议查看(Troubleshooting suggestions): https://open.feishu.cn/search?from=openapi"


class Stubbed(NamedTuple):
    """The answer of a stub."""

    stub_id: int
    answer: Answer
    delay_ms: float


class Dispatcher:
    """Answers the requests to an emulator.

    Args:
        lark: The emulator whose requests are answered.
        allowed_hosts: Names accepted in the Host header. A web page that made a browser resolve its own name
            to 127.0.0.1 (DNS rebinding) sends that name, and is rejected.
    """

    def __init__(self, lark: Lark, allowed_hosts: Iterable[str] = LOOPBACK_NAMES) -> None:
        self._lark = lark
        self._allowed_hosts = frozenset(name.lower() for name in allowed_hosts)

    def count_connection(self) -> None:
        """Count an accepted connection."""
        self._lark.log.connections += 1

    def handle(self, request: Request) -> Outcome:
        """Perform one request; what takes long is done in slices between those of others.

        A bug of ours is answered, too: no request ends its connection without an answer.
        """
        steps = self._handle_in_steps(request)
        try:
            next(steps)
        except StopIteration as done:
            outcome: Outcome = done.value
            return outcome
        except Exception as error:  # noqa: BLE001 - it must be seen, and must not end the connection
            return Outcome(self._report_crash(error))
        return Outcome(None, later=self._run_rest(steps))

    async def _run_rest(self, steps: Generator[None, None, Outcome]) -> Outcome:
        await asyncio.sleep(0)
        try:
            return await with_turns(steps)
        except Exception as error:  # noqa: BLE001 - it must be seen, and must not end the connection
            return Outcome(self._report_crash(error))

    def _handle_in_steps(self, request: Request) -> Generator[None, None, Outcome]:
        started = time.perf_counter()
        self._lark.touched += 1
        self._lark.clock.ring()
        if not self._is_host_allowed(request.headers.get("host", "")):
            return Outcome(make_plain_answer(403, "this Host is not served by the Lark emulator"))
        if request.upgrade and request.path != discovery.SOCKET:
            return Outcome(make_plain_answer(400, "upgrade is not supported"))
        if request.path.startswith(plane.PREFIX):
            return self._handle_control(request)
        if service.is_for_page(request):
            return Outcome(service.answer(self._lark, request))
        match = routes.TABLE.match(request.method, request.path)
        route = None if match is None else match[0]
        fault = self._lark.faults.strike(request, route)
        call = None
        performed = FIRST if fault is None else fault.performed
        stub = self._strike_stub(request) if performed == FIRST else None
        answer = make_plain_answer(404, "404 page not found") if stub is None else stub.answer
        if stub is not None:
            pass
        elif match is not None and performed == FIRST:
            answer, call = yield from self._answer(request, *match)
        elif match is not None and fault is not None and performed == LATE:
            self._postpone(request, *match, seconds=fault.late_s or 0)
        if fault is not None and (fault.answers or performed != FIRST):
            answer = self._make_planned_answer(fault, route)
        return self._finish(request, route, fault, answer, call, stub, started=started)

    def _strike_stub(self, request: Request) -> Stubbed | None:
        stubs = self._lark.stubs
        if stubs is None or request.upgrade:
            return None
        struck = stubs.strike(request, self._lark.clock.get_time())
        return None if struck is None else Stubbed(struck[0].id, struck[1], struck[0].delay_ms)

    def _is_host_allowed(self, host: str) -> bool:
        name = host[: host.rindex(":")] if ":" in host.rpartition("]")[2] else host
        return name.strip("[]").lower() in self._allowed_hosts

    def _answer(
        self, request: Request, route: Route, params: dict[str, str]
    ) -> Generator[None, None, tuple[Answer, Call | None]]:
        log_id = self._lark.make_log_id()
        admitted = self._admit(request, route, params, log_id)
        if isinstance(admitted, Answer):
            return admitted, None
        call, throttled = admitted
        answer = throttled or (yield from self._perform(call, log_id))
        if not route.emulated and answer.headers.get(HEADER) == VALUE:
            self._lark.report_missing(route)
        return answer, call

    def _admit(
        self, request: Request, route: Route, params: dict[str, str], log_id: str
    ) -> Answer | tuple[Call, Answer | None]:
        """Check token, app, scopes and limits.

        Returns:
            The refusal, or the call with the answer it gets if there were too many.
        """
        app, tenant_key = _NOBODY, ""
        grant = None
        try:
            if route.token:
                header = request.headers.get("authorization", "")
                grant = self._lark.tokens.find_caller(header, route.token_kinds)
                app, tenant_key = grant.app, grant.tenant_key
                # The app token of a store app belongs to no tenant.
                check_usable(app, tenant_key or next(iter(app.tenant_keys), ""))
                if grant.user is None:
                    check_scopes(app, route)
                    check_bot(app, route)
                else:
                    check_user_scopes(grant.scopes, route)
            call = Call(
                world=self._lark.world,
                settings=self._lark.settings,
                app=app,
                tenant_key=tenant_key,
                tokens=self._lark.tokens,
                links=self._lark.links,
                request=request,
                route=route,
                params=params,
                query=dict(request.query),
                query_pairs=request.query,
                body=request.body,
                content_type=request.headers.get("content-type", ""),
                user=None if grant is None else grant.user,
                user_scopes=None if grant is None else grant.scopes,
            )
            return call, self._throttle(route, call, log_id)
        except RefusedError as refusal:
            return self._make_refusal_answer(at_user_info(self._lark.settings, route, refusal), route, log_id)
        except Exception as error:  # noqa: BLE001 - a bug of ours must be seen, and must not end the server
            return _add_ids(self._report_crash(error), log_id)

    def _perform(self, call: Call, log_id: str) -> Generator[None, None, Answer]:
        route = call.route
        try:
            payload = route.handler(call)
            if isinstance(payload, Generator):
                payload = yield from payload
        except RefusedError as refusal:
            return self._make_refusal_answer(refusal, route, log_id)
        except Exception as error:  # noqa: BLE001 - a bug of ours must be seen, and must not end the server
            return _add_ids(self._report_crash(error), log_id)
        if isinstance(payload, Answer):
            return _add_ids(payload, log_id)
        if route.flat:
            return _add_ids(as_json({"code": 0, "msg": "ok", **payload}), log_id)
        return _add_ids(as_json({"code": 0, "msg": "success", "data": payload}), log_id)

    def _postpone(self, request: Request, route: Route, params: dict[str, str], *, seconds: float) -> None:
        """Check a request now and perform it later; no client gets its answer."""
        log_id = self._lark.make_log_id()
        admitted = self._admit(request, route, params, log_id)
        if isinstance(admitted, Answer) or admitted[1] is not None:
            return
        call = admitted[0]
        call.late = True
        noted = client_tokens.note_waiting(call)

        def perform() -> int | None:
            noted()
            return at_once(self._perform(call, log_id)).code

        self._lark.late.add(request, seconds, perform)

    def _make_planned_answer(self, fault: Fault, route: Route | None) -> Answer:
        """Return the answer that a fault plans; a code of Bitable or sheets alone as Lark does."""
        number = fault.code
        if route is None or number is None or fault.status or fault.body is not None:
            return fault.answer()
        known = codes.find_table_code(number) or codes.Code(number, "injected by the emulator", 200)
        if "/sheets/" in route.path and codes.find_table_code(number) is not None:
            if "/v2/" in route.path and known.status == _BAD_REQUEST:
                known = known._replace(status=int(self._lark.settings.sheet_error_status))
        elif number not in BITABLE_CODES or "/bitable/" not in route.path:
            return fault.answer()
        refusal = RefusedError(known._replace(msg=fault.msg or known.msg))
        answer = self._make_refusal_answer(refusal, route, self._lark.make_log_id())
        answer.headers.update(fault.headers)
        return answer

    def _handle_control(self, request: Request) -> Outcome:
        refused = guard.find_refusal(request)
        if refused is not None:
            return Outcome(refused)
        try:
            answer = plane.handle(self._lark, request)
        except Exception as error:  # noqa: BLE001 - a bug of ours must be seen, and must not end the server
            return Outcome(self._report_crash(error))
        return Outcome(answer) if isinstance(answer, Answer) else Outcome(None, later=self._guard(answer))

    async def _guard(self, answer: Awaitable[Answer]) -> Answer:
        try:
            return await answer
        except Exception as error:  # noqa: BLE001 - a bug of ours must be seen, and must not end the server
            return self._report_crash(error)

    def _report_crash(self, error: BaseException) -> Answer:
        self._lark.report_crash(error)
        return as_json({"code": 500, "msg": "the emulator crashed, see its stderr"}, 500)

    def _throttle(self, route: Route, call: Call, log_id: str) -> Answer | None:
        if not self._lark.settings.rate_limits:
            return None
        rates = self._lark.settings.rate_limit_overrides.get(route.name, route.documented.rates)
        tripped = (
            self._lark.limits.take((call.app.app_id, call.tenant_key, route.name), rates) if rates else None
        )
        if tripped is None:
            return None
        limited = codes.RATE_LIMITED
        status = route.documented.statuses.get(limited.number, limited.status)
        answer = self._make_refusal_answer(RefusedError(limited._replace(status=status)), route, log_id)
        answer.headers["x-ogw-ratelimit-limit"] = f"{tripped[0]:g}"
        answer.headers["x-ogw-ratelimit-reset"] = f"{tripped[1]:.3f}"
        return answer

    def _make_refusal_answer(self, refusal: RefusedError, route: Route, log_id: str) -> Answer:
        number, status = refusal.code.number, refusal.code.status
        if number in BITABLE_CODES:
            documented = route.documented.statuses.get(number, status)
            status = 200 if self._lark.settings.bitable_error_status == "200" else documented
        payload: dict[str, Any] = {"code": number, "msg": refusal.msg}
        # Endpoints that ask for no token answer without an `error` object.
        if route.token:
            payload["error"] = {
                "log_id": log_id,
                "troubleshooter": f"{_TROUBLESHOOTER}&log_id={log_id}&code={number}",
                **refusal.error,
            }
        if number in codes.EMPTY_DATA:
            payload["data"] = {}
        return _add_ids(as_json(payload, status), log_id)

    def _finish(
        self,
        request: Request,
        route: Route | None,
        fault: Fault | None,
        answer: Answer,
        call: Call | None,
        stub: Stubbed | None,
        *,
        started: float,
    ) -> Outcome:
        self._lark.activity += 1
        log_id = answer.headers.get("X-Tt-Logid")
        if log_id is None:
            log_id = self._lark.make_log_id()
            _add_ids(answer, log_id)
        # By the emulator's clock, which tests may advance, since Lark's time stamps and its header agree.
        answer.headers["Date"] = format_http_date(int(self._lark.clock.get_time()))
        dropped = None if fault is None else fault.drop
        hold, release = (0.0, None) if call is None else (call.hold, call.release)
        milliseconds = self._lark.settings.latency_ms + (0 if fault is None else fault.delay_ms)
        milliseconds += 0 if stub is None else stub.delay_ms
        self._lark.log.note(
            Entry(
                at=self._lark.clock.get_time(),
                method=request.method,
                # Without a token the path may be the credential, as a webhook's is.
                path=request.path if route is None or route.token or not route.emulated else route.path,
                query=request.query,
                route=None if route is None else route.name,
                status=None if dropped else answer.status,
                code=None if dropped in ("before", "late") else answer.code,
                log_id=log_id,
                app_id=None if call is None or call.app is _NOBODY else call.app.app_id,
                tenant_key=None if call is None else call.tenant_key or None,
                performed=call is not None or stub is not None,
                dropped=dropped,
                fault=fault is not None,
                answered_by=_get_answer_source(route, fault, stub, answer),
                ms=(time.perf_counter() - started + hold) * 1000 + milliseconds,
                request=Body(request.body, request.headers.get("content-type", "")),
                response=Body(b"" if dropped else answer.body, answer.content_type.decode("latin-1")),
            )
        )
        return Outcome(None if dropped else answer, hold + milliseconds / 1000, hold, release)


def _get_answer_source(route: Route | None, fault: Fault | None, stub: Stubbed | None, answer: Answer) -> str:
    """Return what made an answer, for the request log."""
    if fault is not None and (fault.answers or fault.drop):
        return "fault"
    if stub is not None:
        return f"stub {stub.stub_id}"
    if route is not None and not route.emulated:
        return answer.headers.get(HEADER, "emulator")
    return "emulator"


def _add_ids(answer: Answer, log_id: str) -> Answer:
    answer.headers["X-Tt-Logid"] = log_id
    answer.headers["X-Request-Id"] = f"emulator-{log_id}"
    return answer
