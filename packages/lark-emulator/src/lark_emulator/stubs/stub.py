"""A stub: which requests it answers, and with what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator.exchange import JSON_TYPE, TEXT_TYPE, Answer, as_json, check_headers, clean_header_value
from lark_emulator.stubs import template
from lark_emulator.stubs.matching import compile_path, holds, matches_all, read_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lark_emulator.exchange import Request

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_MATCH = ("method", "path", "query", "headers", "body")
_ANSWER = ("status", "headers", "json", "text", "template")
_WHOLE = (*("match", "answer", "times", "delay_ms"), "id", "used")
_LOWEST, _HIGHEST = 200, 599
_MAX_MS = 3_600_000
_WITHOUT_BODY = (204, 304)


@dataclass(slots=True, kw_only=True)
class Stub:
    """An answer of yours for the requests that it matches.

    Args:
        method: An HTTP method, or `*`.
        path: The path, exact, with `:name` for one segment, or with `*` for anything.
        query: Query parameters that must be there, by name; a value may contain `*`.
        headers: Headers that must be there, by name; a value may contain `*`.
        body: JSON that the body must contain, see `matching.holds`; None = any body.
        status: The HTTP status of the answer.
        answer_headers: The HTTP headers of the answer, by name.
        json: The body of the answer as JSON; `code` 0 and `msg` are not added.
        text: The body of the answer as text, instead of `json`.
        template: Whether placeholders such as `{{path.id}}` are filled in.
        times: How many requests the stub answers; None = all.
        delay_ms: How long the answer is delayed, in milliseconds.

    Raises:
        ValueError: it can match no request, or its answer cannot be sent; the text says why.
    """

    method: str = "*"
    path: str = "*"
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    status: int = 200
    answer_headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    text: str | None = None
    template: bool = True
    times: int | None = None
    delay_ms: float = 0
    id: int = field(default=0, init=False, compare=False)
    """Its number, once it was added."""
    used: int = field(default=0, init=False, compare=False)
    """How many requests it has answered."""

    def __post_init__(self) -> None:
        """Check that it can match a request, and that its answer can be sent."""
        self._check_match()
        self._check_answer()
        if self.times is not None and not (_is_whole(self.times) and self.times >= 1):
            raise ValueError(f"'times' must be a positive number, not {self.times!r}")
        if not (_is_number(self.delay_ms) and 0 <= self.delay_ms <= _MAX_MS):
            raise ValueError(f"'delay_ms' must be a number from 0 to {_MAX_MS}, not {self.delay_ms!r}")

    def _check_match(self) -> None:
        if not isinstance(self.method, str) or self.method.upper() not in ("*", *METHODS):
            raise ValueError(
                f"no request has the method {self.method!r}. Next: use one of {', '.join(METHODS)}, or *"
            )
        self.method = self.method.upper()
        if not isinstance(self.path, str) or not self.path.startswith(("/", "*")):
            raise ValueError(f"no request has the path {self.path!r}. Next: begin it with / or *")
        if "?" in self.path or "#" in self.path:
            raise ValueError(
                f"no request has the path {self.path!r}. Next: write what follows the ? as 'query'"
            )
        if self.path.startswith("/_emulator"):
            raise ValueError(f"{self.path!r} is the emulator's own. Next: stub a path of Lark's")
        compile_path(self.path)
        for name, value in (("query", self.query), ("headers", self.headers)):
            _check_texts(name, value)
        self.headers = {name.lower(): value for name, value in self.headers.items()}
        _check_json("body", self.body)
        if self.body is not None and self.method in ("GET", "HEAD"):
            raise ValueError(
                f"a {self.method} request of Lark's has no body, so that this stub would match none. "
                "Next: match it by 'query'"
            )

    def _check_answer(self) -> None:
        if not _is_whole(self.status) or not _LOWEST <= self.status <= _HIGHEST:
            raise ValueError(f"'status' must be a number from {_LOWEST} to {_HIGHEST}, not {self.status!r}")
        if self.json is not None and self.text is not None:
            raise ValueError("an answer has one body. Next: give 'json' or 'text'")
        if self.text is not None and not isinstance(self.text, str):
            raise ValueError(f"'text' must be a string, not {self.text!r}")
        if self.status in _WITHOUT_BODY and (self.json is not None or self.text):
            raise ValueError(f"an answer {self.status} has no body. Next: leave out 'json' and 'text'")
        if not isinstance(self.template, bool):
            raise ValueError(f"'template' must be true or false, not {self.template!r}")  # noqa: TRY004
        _check_json("json", self.json)
        check_headers(self.answer_headers)
        if self.template:
            template.check(self.json)
            template.check(self.text)
            template.check(dict(self.answer_headers))

    def path_values(self, request: Request) -> dict[str, str] | None:
        """Return the values of its `:name` segments in a request that it matches, else None."""
        if self.method not in ("*", request.method) or self.is_used_up:
            return None
        match = compile_path(self.path).fullmatch(request.path)
        if match is None:
            return None
        query: dict[str, list[str]] = {}
        for name, value in request.query:
            query.setdefault(name, []).append(value)
        headers = {name: [value] for name, value in request.headers.items()}
        if not (matches_all(self.query, query) and matches_all(self.headers, headers)):
            return None
        if self.body is not None and not holds(read_body(request), self.body):
            return None
        return match.groupdict()

    @property
    def is_used_up(self) -> bool:
        """Whether it answers no more requests."""
        return self.times is not None and self.used >= self.times

    def answer(self, request: Request, path: Mapping[str, str], now: float) -> Answer:
        """Return its answer to a request that it matches, and count it.

        Args:
            request: The request that the stub matches.
            path: The values of the path's `:name` segments, as `path_values` returned them.
            now: The current time of the emulator, in seconds since the epoch.
        """
        self.used += 1
        headers, text, value = dict(self.answer_headers), self.text, self.json
        if self.template:
            body = read_body(request)
            values = template.Values(path, dict(request.query), request.headers, body, self.used, now)
            headers = {name: template.fill_text(said, values) for name, said in headers.items()}
            text = None if text is None else template.fill_text(text, values)
            value = template.fill(value, values)
        kind = TEXT_TYPE if self.json is None else JSON_TYPE
        for name in list(headers):
            headers[name] = clean_header_value(headers[name])  # it may come from the request
            if name.lower() == "content-type":
                kind = headers.pop(name).encode("latin-1")
        if self.json is None:
            return Answer(
                self.status, (text or "").encode("utf-8", "replace"), kind, headers, _get_code(text)
            )
        try:
            return Answer(self.status, orjson.dumps(value), kind, headers, _get_code(value))
        except orjson.JSONEncodeError as error:  # a body that is nested too deeply was filled in
            return as_json({"code": 500, "msg": f"the answer of stub {self.id} cannot be sent: {error}"}, 500)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON, in the shape in which it can be added."""
        match = {name: getattr(self, name) for name in _MATCH}
        answer = {
            "status": self.status,
            "headers": dict(self.answer_headers) or None,
            "json": self.json,
            "text": self.text,
        }
        shown: dict[str, Any] = {
            "match": {name: value for name, value in match.items() if not _is_default(name, value)},
            "answer": {name: value for name, value in answer.items() if value is not None},
        }
        if not self.template:
            shown["answer"]["template"] = False
        if self.times is not None:
            shown["times"] = self.times
        if self.delay_ms:
            shown["delay_ms"] = self.delay_ms
        return {**shown, "id": self.id, "used": self.used}

    @classmethod
    def from_plan(cls, plan: Any) -> Stub:
        """Make one of JSON: `match`, `answer`, `times`, `delay_ms`.

        Raises:
            ValueError: naming the member that is unknown or wrong.
        """
        whole = _check_members(plan, "a stub", _WHOLE)
        match = _check_members(whole.get("match", {}), "'match'", _MATCH)
        answer = _check_members(whole.get("answer", {}), "'answer'", _ANSWER)
        if not match:
            raise ValueError("a stub needs 'match'. Next: name at least the path that it answers")
        if "headers" in answer:
            answer["answer_headers"] = answer.pop("headers")
        rest = {name: whole[name] for name in ("times", "delay_ms") if name in whole}
        return cls(**match, **answer, **rest)


def _is_default(name: str, value: Any) -> bool:
    return value is None if name == "body" else value in ({}, "*") and (name, value) != ("path", "*")


def _check_members(value: Any, what: str, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} must be an object, not {value!r}")  # noqa: TRY004 - one kind for bad input
    for name in value:
        if name not in known:
            raise ValueError(f"unknown member {name!r} in {what}; known: {', '.join(known)}")
    return {name: inner for name, inner in value.items() if inner is not None}


def _check_texts(name: str, value: Any) -> None:
    if not isinstance(value, dict) or not all(
        isinstance(part, str) for pair in value.items() for part in pair
    ):
        raise ValueError(f"{name!r} must map names to strings, not {value!r}")


def _check_json(name: str, value: Any) -> None:
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise ValueError(f"{name!r} must be JSON: {error}") from None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _get_code(value: Any) -> int | None:
    code = value.get("code") if isinstance(value, dict) else None
    return code if _is_whole(code) else None
