"""Checks of query and body that every endpoint shares: 99992402 with the violated field."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import parse_qsl

import orjson

from lark_emulator import codes
from lark_emulator.codes import Code, RefusedError
from lark_emulator.world.users import USER_ID_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lark_emulator.routing import Call

T = TypeVar("T")
_WHOLE = re.compile(r"-?[0-9]{1,18}")


def refuse_parameter(name: str, value: object, description: str) -> NoReturn:
    """Refuse a parameter.

    Raises:
        RefusedError: always: 99992402, with the parameter in `error.field_violations`.
    """
    raise RefusedError(
        codes.FIELD_VALIDATION,
        error={
            "field_violations": [
                {
                    "field": name,
                    "value": "" if value is None else str(value)[:200],
                    "description": description,
                }
            ]
        },
    )


def read_choice(
    source: dict[str, Any], name: str, options: Sequence[str], *, default: str | None = None
) -> str:
    """Return a parameter that is one of a few words; required unless it has a default."""
    value = source.get(name)
    if value is None or value == "":
        if default is None:
            refuse_parameter(name, value, f"{name} is required")
        return default
    if value not in options:
        refuse_parameter(name, value, f"{name} is optional, options: [{','.join(options)}]")
    return str(value)


def read_user_id_type(call: Call, name: str = "user_id_type") -> str:
    """Return which kind of user id the caller speaks."""
    return read_choice(call.query, name, USER_ID_TYPES, default="open_id")


def read_json_object(call: Call, code: Code) -> dict[str, Any]:
    """Return the body as an object; an empty body counts as `{}`.

    Raises:
        RefusedError: `code`, the body must be a JSON object.
    """
    if not call.body:
        return {}
    try:
        body = parse(call.body)
    except orjson.JSONDecodeError:
        raise RefusedError(code) from None
    if not isinstance(body, dict):
        raise RefusedError(code)
    return body


def read_form_or_json(call: Call) -> dict[str, Any]:
    """Return the body of a token request: JSON, or, unless `form_token_requests` says no, a form.

    Raises:
        JSONDecodeError: it is neither, or no object.
    """
    if call.content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
        if call.settings.form_token_requests == "refused":  # noqa: S105 - no password
            raise orjson.JSONDecodeError("a form", "", 0)
        return dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True))
    body = parse(call.body)
    if not isinstance(body, dict):
        raise orjson.JSONDecodeError("not an object", "", 0)
    return body


def require_text(body: dict[str, Any], name: str, *, longest: int | None = None) -> str:
    """Return a required, non-empty string member."""
    value = body.get(name)
    if value is None or value == "":
        refuse_parameter(name, value, f"{name} is required")
    return _check_text(name, value, longest)


def read_optional_text(
    body: dict[str, Any], name: str, *, default: str = "", longest: int | None = None
) -> str:
    """Return an optional string member."""
    value = body.get(name)
    return default if value is None else _check_text(name, value, longest)


def _check_text(name: str, value: object, longest: int | None) -> str:
    if not isinstance(value, str):
        refuse_parameter(name, value, f"{name} must be a string")
    if longest is not None and len(value) > longest:
        refuse_parameter(name, value, f"the max len is {longest}")
    return value


def read_text_list(body: dict[str, Any], name: str, *, limit: int) -> list[str]:
    """Return an optional list of strings."""
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        refuse_parameter(name, value, f"{name} must be a list of strings")
    if len(value) > limit:
        refuse_parameter(name, len(value), f"the max len is {limit}")
    return value


def read_flag(query: dict[str, str], name: str) -> bool:
    """Return a boolean query parameter."""
    return read_choice(query, name, ("true", "false", "True", "False"), default="false").lower() == "true"


def read_optional_flag(body: dict[str, Any], name: str) -> bool:
    """Return an optional boolean member."""
    value = body.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        refuse_parameter(name, value, f"{name} must be a boolean")
    return value


def parse_whole_number(raw: str) -> int | None:
    """Return the number that a text is; None for anything but plain digits, of which Python reads more."""
    return int(raw) if _WHOLE.fullmatch(raw) else None


def read_timestamp(call: Call, name: str, unit: str, code: Code) -> int | None:
    """Return a timestamp of the query; None if it is not given.

    Args:
        call: The request.
        name: The name of the parameter.
        unit: The unit of the timestamp, for the refusal of anything else.
        code: The code of that refusal.
    """
    raw = call.query.get(name)
    if not raw:
        return None
    timestamp = parse_whole_number(raw)
    if timestamp is None or timestamp < 0:
        raise RefusedError(code, f"{name} must be {unit} since the epoch")
    return timestamp


def parse(raw: str | bytes) -> Any:
    """Return what a JSON text holds, if an answer could hold it as well.

    Raises:
        JSONDecodeError: it is not JSON, or nested more deeply than can be written.
    """
    value = orjson.loads(raw)
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        raise orjson.JSONDecodeError("nested too deeply", "", 0) from None
    return value


def read_bounded_page_size(
    call: Call,
    *,
    limit: int,
    code_for_zero: Code | None = None,
    code_beyond: Code | None = None,
    default: int = 20,
    least: int = 1,
) -> int:
    """Return the page size: `default` unless asked for, within bounds.

    Raises:
        RefusedError: `code_for_zero` if given and the size is below 1, `code_beyond` if given and the size is
            out of bounds, else 99992402.
    """
    raw = call.query.get("page_size")
    if not raw:
        return default
    size = parse_whole_number(raw)
    if size is None:
        refuse_parameter("page_size", raw, "page_size must be an integer")
    if size < 1 and code_for_zero is not None:
        raise RefusedError(code_for_zero)
    if not least <= size <= limit:
        if code_beyond is not None:
            raise RefusedError(code_beyond)
        refuse_parameter("page_size", raw, f"page_size must be between {least} and {limit}")
    return size


def cut_page(items: Sequence[T], call: Call, size: int, bad_token: Code) -> tuple[list[T], dict[str, Any]]:
    """Cut the page that the query asks for, see `cut_page_at`; other lists do not take its token."""
    return cut_page_at(items, call.query.get("page_token", ""), size, bad_token, compute_list_digest(call))


def compute_list_digest(call: Call) -> str:
    """Return a digest of what is listed: path, parameters and body, without the size and the place of a page.

    Empty, if tokens of other lists are to be taken, too (`foreign_pages`).
    """
    if call.settings.foreign_pages == "taken":
        return ""
    query = sorted(pair for pair in call.request.query if pair[0] not in ("page_size", "page_token"))
    listed = repr((call.request.path, query)).encode() + call.body
    return hashlib.blake2b(listed, digest_size=6).hexdigest()


def encode_page_token(*place: int, of: str = "") -> str:
    """Return the token of a page: numbers that say where it begins, and the list that it belongs to."""
    return base64.urlsafe_b64encode(":".join(["page", of, *map(str, place)]).encode()).decode()


def decode_page_token(token: str, numbers: int, bad_token: Code, of: str = "") -> list[int]:
    """Return the numbers in a page token.

    Raises:
        RefusedError: `bad_token`, the token is not one of ours, or of another list than `of`.
    """
    try:
        name, listed, *parts = base64.b64decode(token, altchars=b"-_", validate=True).decode().split(":")
    except (binascii.Error, ValueError):
        raise RefusedError(bad_token) from None
    place = [number for number in map(parse_whole_number, parts) if number is not None and number >= 0]
    if name != "page" or len(parts) != numbers or len(place) != numbers or (of and listed != of):
        raise RefusedError(bad_token)
    return place


def cut_page_at(
    items: Sequence[T], token: str, size: int, bad_token: Code, of: str = ""
) -> tuple[list[T], dict[str, Any]]:
    """Cut one page.

    Returns:
        The page, and its `has_more` and `page_token` (empty on the last page).

    Raises:
        RefusedError: `bad_token`, the page token is not one of ours, or of another list.
    """
    [start] = decode_page_token(token, 1, bad_token, of) if token else [0]
    end = start + size
    more = end < len(items)
    return list(items[start:end]), {
        "has_more": more,
        "page_token": encode_page_token(end, of=of) if more else "",
    }
