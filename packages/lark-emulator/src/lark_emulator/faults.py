"""Failures on demand: answers that Lark did not mean, delays and broken connections."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator.exchange import JSON_TYPE, Answer, check_headers

if TYPE_CHECKING:
    from lark_emulator.exchange import Request
    from lark_emulator.routing import Route

#: When a request that a fault strikes is performed.
NEVER, FIRST, LATE = "never", "first", "late"
#: What each way of closing the connection says about that.
DROPS = {"before": NEVER, "after": FIRST, "late": LATE}
_LOWEST, _HIGHEST = 200, 999
_HTML = b"text/html; charset=utf-8"


@dataclass(slots=True)
class Fault:
    """One planned failure.

    Args:
        method: An HTTP method, or `*`.
        path: An exact path, a template with `:name` segments, or a pattern with `*`.
        times: How many matching requests are affected.
        skip: How many matching requests pass first.
        status: The HTTP status of the answer that is sent instead of performing the request.
        code: The Lark code of that answer.
        msg: The `msg` of that answer, the text of the error.
        headers: HTTP headers that are added to that answer, by name.
        body: The raw text to send instead of a JSON envelope, such as the HTML of a proxy.
        delay_ms: How long the answer is delayed, in milliseconds (alone: a slow but true answer).
        drop: When the connection is closed without an answer: `before` with nothing done, `after` when the
            work is done, `late` at once, while the work is done `late_s` seconds later.
        perform: Whether a request that gets an answer of the fault's own is performed all the same: `never`
            (the default), `first` (a proxy that fails behind Lark's back), or `late`.
        late_s: After how many seconds of the emulator's clock a late request is performed. Late requests are
            performed in the order in which they are due; those due at the same time, in the order in which
            they came.
    """

    method: str = "*"
    path: str = "*"
    times: int = 1
    skip: int = 0
    status: int | None = None
    code: int | None = None
    msg: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    delay_ms: float = 0
    drop: str | None = None
    perform: str | None = None
    late_s: float | None = None

    @classmethod
    def from_plan(cls, plan: dict[str, Any]) -> Fault:
        """Check a plan that came as JSON.

        Raises:
            ValueError: naming the member that is unknown, ill-typed or missing.
        """
        kinds: dict[str, tuple[type, ...]] = {
            **dict.fromkeys(("method", "path", "msg", "body", "drop", "perform"), (str,)),
            **dict.fromkeys(("times", "skip", "status", "code"), (int,)),
            "headers": (dict,),
            **dict.fromkeys(("delay_ms", "late_s"), (int, float)),
        }
        plan = {name: value for name, value in plan.items() if value is not None}
        for name, value in plan.items():
            if name not in kinds:
                raise ValueError(f"unknown member {name!r}; known: {', '.join(kinds)}")
            if not isinstance(value, kinds[name]) or isinstance(value, bool):
                wanted = " or ".join(kind.__name__ for kind in kinds[name])
                raise ValueError(f"{name!r} must be {wanted}, not {value!r}")  # noqa: TRY004 - see Control
            if isinstance(value, (int, float)) and not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name!r} must be finite and not negative, not {value!r}")
        fault = cls(**plan)
        if fault.drop is not None and fault.drop not in DROPS:
            raise ValueError(f"'drop' must be one of {', '.join(DROPS)}, not {fault.drop!r}")
        check_headers(fault.headers)
        if fault.status is not None and not _LOWEST <= fault.status <= _HIGHEST:
            raise ValueError(f"'status' must be a number from {_LOWEST} to {_HIGHEST}, not {fault.status}")
        if not (fault.answers or fault.delay_ms or fault.drop):
            raise ValueError("a fault needs one of 'status', 'code', 'body', 'delay_ms', 'drop'")
        fault._check_time()
        return fault

    def _check_time(self) -> None:
        if self.perform is not None:
            if self.perform not in (NEVER, FIRST, LATE):
                raise ValueError(f"'perform' must be one of never, first, late, not {self.perform!r}")
            if self.drop is not None:
                raise ValueError("'drop' says itself when the request is performed: leave 'perform' out")
            if not self.answers:
                raise ValueError("'perform' needs an answer of the fault's own: 'status', 'code' or 'body'")
        if (self.performed == LATE) != bool(self.late_s):
            raise ValueError("'late_s', the seconds until a late request is performed, goes with late alone")

    @property
    def performed(self) -> str:
        """When the request is performed: `never`, `first` or `late`."""
        if self.drop is not None:
            return DROPS[self.drop]
        return self.perform or (NEVER if self.answers else FIRST)

    @property
    def answers(self) -> bool:
        """Whether an answer of its own is given."""
        return self.status is not None or self.code is not None or self.body is not None

    def answer(self) -> Answer:
        """Return that answer: the raw body, or an envelope with code and msg."""
        if self.body is not None:
            kind = _HTML if self.body.lstrip().startswith("<") else b"text/plain; charset=utf-8"
            return Answer(
                self.status or 502, self.body.encode(errors="replace"), kind, dict(self.headers), self.code
            )
        status = self.status or 200
        code = self.code if self.code is not None else status
        payload = orjson.dumps({"code": code, "msg": self.msg or "injected by the emulator"})
        return Answer(status, payload, JSON_TYPE, dict(self.headers), code)

    def matches(self, request: Request, route: Route | None) -> bool:
        """Return whether a request is meant."""
        if self.method not in ("*", request.method):
            return False
        if self.path == request.path or (route is not None and self.path == route.path):
            return True
        if ":" in self.path:
            pattern = "/".join("*" if part.startswith(":") else part for part in self.path.split("/"))
            same_depth = self.path.count("/") == request.path.count("/")
            return same_depth and fnmatchcase(request.path, pattern)
        return "*" in self.path and fnmatchcase(request.path, self.path)

    def to_dict(self) -> dict[str, Any]:
        """Return what is left of the plan, for the control plane."""
        return {name: value for name, value in asdict(self).items() if value not in (None, {})}


class Faults:
    """The planned failures in the order in which they were asked for."""

    def __init__(self) -> None:
        self.planned: list[Fault] = []

    def strike(self, request: Request, route: Route | None) -> Fault | None:
        """Return the first fault that hits this request, used up by one; or None."""
        for fault in self.planned:
            if not fault.matches(request, route):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.times -= 1
            if fault.times <= 0:
                self.planned.remove(fault)
            return fault
        return None
