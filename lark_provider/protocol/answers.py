"""Read an HTTP answer: whether Lark accepted the call, or why it refused."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from lark_provider.protocol.calls import Call, LarkResponse
from lark_provider.protocol.codes import Code, CodeKind, get_code
from lark_provider.protocol.effects import Response
from lark_provider.protocol.errors import (
    ConflictError,
    InvalidRequestError,
    LarkAPIError,
    NotEmulatedError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
)
from lark_provider.protocol.redact import redact

_ERRORS: dict[CodeKind, type[LarkAPIError]] = {
    CodeKind.RATE: RateLimitError,
    CodeKind.TOKEN: PermissionDeniedError,
    CodeKind.PERMISSION: PermissionDeniedError,
    CodeKind.NOT_FOUND: NotFoundError,
    CodeKind.INVALID: InvalidRequestError,
    CodeKind.CONFLICT: ConflictError,
    CodeKind.REPLAYED: ConflictError,
    CodeKind.GONE: ConflictError,
    CodeKind.NOT_EMULATED: NotEmulatedError,
}
_TRANSIENT = frozenset({CodeKind.RATE, CodeKind.BUSY, CodeKind.AMBIGUOUS})
_HINTED = frozenset({CodeKind.INVALID, CodeKind.NOT_FOUND, CodeKind.PERMISSION})
_NOT_LARK = Code(CodeKind.REFUSED, "check base_url and proxy: something else answered")
PROXY_STEP = "check that the proxy lets this host through, and put user and password into its URL if it asks"
_PROXY = Code(CodeKind.REFUSED, PROXY_STEP)
_NO_ENDPOINT = Code(CodeKind.NOT_FOUND, "check method, path and base_url: Lark has no such endpoint")
_NOT_EMULATED = Code(CodeKind.NOT_EMULATED, "answer it in the test by a fault of the emulator, or use Lark")
_SERVER_ERROR = Code(
    CodeKind.AMBIGUOUS, "call again later; quote the log id to Lark's support if it persists"
)
_RATE_LIMITED = 99991400
_ENVELOPE = frozenset({"code", "msg", "error"})
_MASKED_BYTES, _QUOTED_CHARACTERS = 4096, 120  # masked before it is cut: half a secret is not recognised
_HTTP_REDIRECT, _HTTP_ERROR, _HTTP_NOT_FOUND, _HTTP_TOO_MANY, _HTTP_SERVER_ERROR = 300, 400, 404, 429, 500
_HTTP_PROXY = 407  # proxy authentication required
_HTTP_TIMEOUTS = (408, 499)  # seen by a proxy: the request may have been performed


class RefusedAnswer(NamedTuple):
    """An answer that reports a failure."""

    kind: CodeKind
    error: LarkAPIError
    retry_after: float | None


def read(call: Call[Any], response: Response, *secrets: str | None) -> LarkResponse[Any] | RefusedAnswer:
    """Judge an answer by Lark's code, and by the HTTP status only if it has no code.

    Args:
        call: The call.
        response: The HTTP response.
        secrets: Values that were sent, which must not be shown if the answer quotes them.

    Returns:
        The answer if Lark accepted the call, else why not.
    """
    log_id = response.headers.get("x-tt-logid")
    if response.saved is not None:
        kind = response.headers.get("content-type", "")
        return LarkResponse(
            0, "ok", {"path": call.save_to, "bytes": response.saved, "content_type": kind}, log_id
        )
    date = response.headers.get("date")
    if call.skim is not None and response.status < _HTTP_REDIRECT:
        data = call.skim(response.content)
        if data is not None:
            return LarkResponse(0, "success", data, log_id, date)
    body = _parse_json(response.content)
    if body is None or (body["code"] == 0 and response.status >= _HTTP_ERROR):
        page = redact(response.content[:_MASKED_BYTES].decode("utf-8", "replace"), *secrets)
        msg = f"HTTP {response.status}, not an answer from Lark: {page[:_QUOTED_CHARACTERS]!r}"
        meaning = _classify_non_lark_response(call, response.status)
        return _read_refusal(call, response, {"msg": msg}, meaning, secrets)
    code = body["code"]
    if code == 0:
        return _read_success(body, log_id, date)
    meaning = get_code(code, str(body.get("msg", "")))
    if response.headers.get("x-lark-emulator") == "not-emulated":
        return _read_refusal(call, response, body, _NOT_EMULATED, secrets)
    if meaning.kind is CodeKind.UNCHANGED and call.updates:
        return _read_success(body, log_id, date)
    if meaning.kind is CodeKind.REFUSED and response.status == _HTTP_TOO_MANY:
        meaning = get_code(_RATE_LIMITED)
    elif meaning.kind is CodeKind.REFUSED and response.status >= _HTTP_SERVER_ERROR:
        meaning = _SERVER_ERROR
    return _read_refusal(call, response, body, meaning, secrets)


def _read_success(body: dict[str, Any], log_id: str | None, date: str | None) -> LarkResponse[Any]:
    # Answers about tokens and the bot have no `data`; their content is everything but the envelope.
    data = body.get("data")
    if "data" not in body:
        data = dict(body)
        for member in _ENVELOPE:
            data.pop(member, None)
    return LarkResponse(0, str(body.get("msg", "")), {} if data is None else data, log_id, date)


def _parse_json(content: bytes) -> dict[str, Any] | None:
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return body if isinstance(body, dict) and type(body.get("code")) is int else None


def _classify_non_lark_response(call: Call[Any], status: int) -> Code:
    """Return what an answer without Lark's envelope means: unknown path, page of a proxy, failing gateway."""
    if status == _HTTP_TOO_MANY:
        return get_code(_RATE_LIMITED)
    if status == _HTTP_NOT_FOUND:
        return _NO_ENDPOINT
    if status >= _HTTP_SERVER_ERROR or status in _HTTP_TIMEOUTS:
        return _SERVER_ERROR
    if status == _HTTP_PROXY:
        return _PROXY
    # Waiting does not help if a page came instead of an answer, and a write may have been performed.
    may_have_been_performed = status < _HTTP_REDIRECT and not call.safe
    return _NOT_LARK._replace(kind=CodeKind.AMBIGUOUS) if may_have_been_performed else _NOT_LARK


def _read_refusal(
    call: Call[Any], response: Response, body: dict[str, Any], meaning: Code, secrets: tuple[str | None, ...]
) -> RefusedAnswer:
    def hide_secrets(value: object) -> str:
        return redact(str(value), *secrets)

    details = body["error"] if isinstance(body.get("error"), dict) else {}
    log_id = response.headers.get("x-tt-logid") or details.get("log_id") or details.get("logid")
    code, msg = body.get("code", 0), hide_secrets(body.get("msg", ""))
    violations = [
        {str(k): hide_secrets(v) for k, v in violation.items()}
        for violation in _list_dicts(details, "field_violations")
    ]
    scopes, apply_url = _read_scopes(details)

    text = [f"{call.name}{f' ({call.subject})' if call.subject else ''} → {f'{code} ' if code else ''}{msg}"]
    if scopes:
        text.append(f"One of these scopes is missing: {', '.join(scopes)}.")
    text += [f"Field {violation.get('field')}: {violation.get('description')}." for violation in violations]
    if details.get("message") and not violations:
        text.append(hide_secrets(details["message"]))
    if not text[-1].endswith((".", "!", "。")):
        text[-1] += "."
    hint = f"; {call.hint}" if call.hint and meaning.kind in _HINTED else ""
    text.append(f"Next: {meaning.step}{hint}{f': {apply_url}' if apply_url else '.'}")
    if log_id:
        text.append(f"(log_id {log_id})")

    error = _ERRORS.get(meaning.kind, LarkAPIError)(
        " ".join(text),
        code=code,
        msg=msg,
        log_id=log_id,
        http_status=response.status,
        retryable=meaning.kind in _TRANSIENT,
        scopes=scopes,
        apply_url=apply_url,
        troubleshooter=hide_secrets(details["troubleshooter"]) if details.get("troubleshooter") else None,
        field_violations=violations,
    )
    wait = _retry_after(response, meaning.wait) if meaning.kind in _TRANSIENT else None
    if isinstance(error, RateLimitError):
        error.retry_after = wait
    return RefusedAnswer(meaning.kind, error, wait)


def _list_dicts(details: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the dicts in a list of details; empty if it is not a list."""
    entries = details.get(name)
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _read_scopes(details: dict[str, Any]) -> tuple[list[str], str | None]:
    """Return the missing scopes and the page to grant them. Lark names a scope by `subject` or `scope`."""
    violations = _list_dicts(details, "permission_violations")
    scopes = [
        str(v.get("subject") or v.get("scope")) for v in violations if v.get("subject") or v.get("scope")
    ]
    links = [entry.get("url") for entry in (*_list_dicts(details, "helps"), *violations)]
    return scopes, next((str(link) for link in links if link), None)


def _retry_after(response: Response, default: float | None) -> float | None:
    """Return after how many seconds Lark, or a proxy, wants a retry; the default if it does not say."""
    value = response.headers.get("x-ogw-ratelimit-reset") or response.headers.get("retry-after")
    try:
        return max(0.0, float(value)) if value is not None else default
    except ValueError:  # a Retry-After that is a date is ignored
        return default
