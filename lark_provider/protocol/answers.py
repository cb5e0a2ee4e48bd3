"""Read an HTTP answer: accepted, or refused and why."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from lark_provider.protocol.calls import Call, LarkResponse, Response
from lark_provider.protocol.codes import Code, Kind, lookup
from lark_provider.protocol.errors import (
    ConflictError,
    InvalidRequestError,
    LarkAPIError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
)
from lark_provider.protocol.redact import redact

_ERRORS: dict[Kind, type[LarkAPIError]] = {
    Kind.RATE: RateLimitError,
    Kind.TOKEN: PermissionDeniedError,
    Kind.PERMISSION: PermissionDeniedError,
    Kind.NOT_FOUND: NotFoundError,
    Kind.INVALID: InvalidRequestError,
    Kind.CONFLICT: ConflictError,
}
_PASSING = frozenset({Kind.RATE, Kind.BUSY, Kind.AMBIGUOUS})
_NOT_JSON = Code(Kind.REFUSED, "check base_url and proxy: this is no answer of Lark's")
_NO_ENDPOINT = Code(Kind.NOT_FOUND, "check method and path: Lark has no such endpoint")
_TROUBLE = Code(Kind.AMBIGUOUS, "call again later; quote the log id to Lark's support if it stays")
_QUOTED_BYTES = 120
_HTTP_ERROR, _HTTP_SERVER_ERROR, _HTTP_NOT_FOUND, _HTTP_TOO_MANY = 400, 500, 404, 429


class Refusal(NamedTuple):
    """An answer that is no success."""

    kind: Kind
    error: LarkAPIError
    retry_after: float | None


def read(call: Call[Any], response: Response, token: str | None = None) -> LarkResponse[Any] | Refusal:
    """Judge an answer by its code first and by its HTTP status only where it has none.

    Args:
        call: What was asked.
        response: What came back.
        token: The token sent, to be masked should the answer quote it.

    Returns:
        The answer if Lark accepted the call, else why not.
    """
    log_id = response.headers.get("x-tt-logid")
    if response.saved is not None:
        kind = response.headers.get("content-type", "")
        return LarkResponse(
            0, "ok", {"path": call.save_to, "bytes": response.saved, "content_type": kind}, log_id
        )
    body = _json(response.content)
    if body is None or (body["code"] == 0 and response.status >= _HTTP_ERROR):
        return _foreign(call, response, log_id, token)
    code, msg = body["code"], str(body.get("msg", ""))
    if code == 0:
        data = body["data"] if isinstance(body.get("data"), dict) else _outside_envelope(body)
        return LarkResponse(0, msg, data, log_id)
    meaning = lookup(code)
    if meaning.kind is Kind.REFUSED and response.status == _HTTP_TOO_MANY:
        meaning = lookup(99991400)
    elif meaning.kind is Kind.REFUSED and response.status >= _HTTP_SERVER_ERROR:
        meaning = _TROUBLE
    return _refused(call, response, body, meaning, redact(msg, token), log_id)


def _json(content: bytes) -> dict[str, Any] | None:
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return body if isinstance(body, dict) and type(body.get("code")) is int else None


def _outside_envelope(body: dict[str, Any]) -> dict[str, Any]:
    """Token endpoints answer flat and bot info under `bot`: then everything else is the content."""
    return {key: value for key, value in body.items() if key not in {"code", "msg", "error", "data"}}


def _foreign(call: Call[Any], response: Response, log_id: str | None, token: str | None) -> Refusal:
    """An answer without Lark's envelope: an unknown path, a proxy's page, a gateway in trouble."""
    if response.status >= _HTTP_SERVER_ERROR or response.status < _HTTP_ERROR:
        meaning = (
            _TROUBLE if response.status >= _HTTP_SERVER_ERROR else _NOT_JSON._replace(kind=Kind.AMBIGUOUS)
        )
    elif response.status == _HTTP_TOO_MANY:
        meaning = lookup(99991400)
    else:
        meaning = _NO_ENDPOINT if response.status == _HTTP_NOT_FOUND else _NOT_JSON
    quoted = redact(response.content[:_QUOTED_BYTES].decode("utf-8", "replace"), token)
    msg = f"HTTP {response.status}, not an answer of Lark's: {quoted!r}"
    return _refused(call, response, {}, meaning, msg, log_id)


def _refused(
    call: Call[Any], response: Response, body: dict[str, Any], meaning: Code, msg: str, log_id: str | None
) -> Refusal:
    details = body.get("error") if isinstance(body.get("error"), dict) else {}
    assert isinstance(details, dict)  # noqa: S101 - for the type checker
    log_id = log_id or details.get("log_id") or details.get("logid")
    code = body.get("code", 0)
    scopes, apply_url = _scopes(details)
    violations = [v for v in details.get("field_violations") or () if isinstance(v, dict)]
    text = [f"{call.name} → {code} {msg}" if code else f"{call.name} → {msg}"]
    if scopes:
        text.append(f"One of these scopes is missing: {', '.join(scopes)}.")
    text += [f"Field {v.get('field')}: {v.get('description')}." for v in violations]
    if details.get("message") and not violations:
        text.append(redact(str(details["message"])))
    text.append(f"Next: {meaning.step}{f' at {apply_url}' if apply_url else ''}.")
    text.append(f"(log_id {log_id})" if log_id else "")
    error = _ERRORS.get(meaning.kind, LarkAPIError)(
        " ".join(part for part in text if part),
        code=code,
        msg=msg,
        log_id=log_id,
        http_status=response.status,
        retryable=meaning.kind in _PASSING,
        scopes=scopes,
        apply_url=apply_url,
        troubleshooter=details.get("troubleshooter"),
        field_violations=violations,
    )
    wait = _seconds(response) if meaning.kind is Kind.RATE else None
    if isinstance(error, RateLimitError):
        error.retry_after = wait
    return Refusal(meaning.kind, error, wait)


def _scopes(details: dict[str, Any]) -> tuple[list[str], str | None]:
    """Lark's pages show two shapes for a missing scope, `subject` and `scope`; both are read."""
    violations = [v for v in details.get("permission_violations") or () if isinstance(v, dict)]
    scopes = [
        str(v.get("subject") or v.get("scope")) for v in violations if v.get("subject") or v.get("scope")
    ]
    links = [h.get("url") for h in details.get("helps") or () if isinstance(h, dict)]
    links += [v.get("url") for v in violations]
    return scopes, next((str(link) for link in links if link), None)


def _seconds(response: Response) -> float | None:
    value = response.headers.get("x-ogw-ratelimit-reset") or response.headers.get("retry-after")
    try:
        return max(0.0, float(value)) if value is not None else None
    except ValueError:  # a Retry-After may be a date; back off as if nothing was said
        return None
