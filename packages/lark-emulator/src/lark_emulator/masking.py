"""Credentials taken out of texts that people read: the request log, recorded stubs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK = "***"

#: Names of members whose value is a credential, wherever they stand.
SECRET_NAMES = frozenset(
    {
        *(
            "app_secret",
            "appsecret",
            "client_secret",
            "secret",
            "password",
            "passwd",
            "api_key",
            "access_key",
        ),
        *("tenant_access_token", "app_access_token", "user_access_token", "access_token", "refresh_token"),
        *("id_token", "verification_token", "encrypt_key", "app_ticket", "ticket", "jsapi_ticket"),
        *("authorization", "session_key", "access_key", "code_verifier", "code_challenge", "sign"),
    }
)
#: Of these alone, the value of `token` names a document.
_DOCUMENTS = re.compile(r"/(drive|docx|docs|sheets|wiki|bitable|minutes|board|suite)/")
_ONE_OF_THEM = re.compile("token|ticket|sign|" + "|".join(sorted(SECRET_NAMES)), re.IGNORECASE)
#: Lark's tokens: of tenant, app and user, and the one-time token of a click.
_TOKEN = re.compile(r"\b(?:Bearer\s+\S+|[tau]r?-(?:g[0-9A-Za-z]{8,}|[0-9A-Za-z]{20,})[0-9A-Za-z_.-]*)")
#: The same in an address: the query of a long connection's, the path of a custom bot's.
_IN_ADDRESS = re.compile(r"((?:[?&](?:access_key|ticket|token|code)=)|/hook/)[^&\s\"'\\/?#]+")
_FORM = "application/x-www-form-urlencoded"


def is_secret(name: str, path: str = "") -> bool:
    """Return whether the value of a member is a credential.

    Args:
        name: The name of a member, a query parameter or a header.
        path: The path of the request; `token` is the name of a document in some, and a credential elsewhere.
    """
    lowered = name.lower().replace("-", "_")
    return lowered in SECRET_NAMES or (lowered == "token" and _DOCUMENTS.search(path) is None)


def mask_value(value: Any, path: str = "") -> Any:
    """Return a JSON value without credentials; JSON inside of strings is looked into as well."""
    if isinstance(value, dict):
        return {
            name: MASK if _is_credential(name, inner, path) else mask_value(inner, path)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [mask_value(inner, path) for inner in value]
    if isinstance(value, str):
        return _mask_string(value, path)
    return value


def _is_credential(name: str, value: Any, path: str) -> bool:
    if value is None or value == "":
        return False
    # Lark's own `code` is a number; that of a login is a string.
    return is_secret(name, path) or (name == "code" and isinstance(value, str))


def _mask_string(value: str, path: str) -> str:
    if value[:1] in ("{", "[") and _ONE_OF_THEM.search(value):
        try:
            inner = orjson.loads(value)
        except orjson.JSONDecodeError:
            return mask_plain(value)
        cleaned = mask_value(inner, path)
        return value if cleaned == inner else orjson.dumps(cleaned).decode()
    return mask_plain(value)


def mask_plain(text: str) -> str:
    """Return a text without what looks like a token of Lark's, alone or in an address."""
    return _IN_ADDRESS.sub(rf"\g<1>{MASK}", _TOKEN.sub(MASK, text))


def mask_text(text: str, path: str = "", content_type: str = "") -> str:
    """Return a body without credentials.

    Args:
        text: The body: JSON, a form, or any other text.
        path: The path of the request.
        content_type: The content type of the body, by which a form is recognized.

    Returns:
        The text itself where there was nothing to mask.
    """
    if content_type.startswith(_FORM):
        pairs = parse_qsl(text, keep_blank_values=True)
        return urlencode([(name, mask_pair(name, value, path)) for name, value in pairs], safe="*")
    if not _ONE_OF_THEM.search(text):
        return mask_plain(text)
    try:
        value = orjson.loads(text)
        cleaned = mask_value(value, path)
    except (orjson.JSONDecodeError, RecursionError):
        return _mask_pieces(text)
    return text if cleaned == value else orjson.dumps(cleaned).decode()


def mask_pair(name: str, value: str, path: str = "") -> str:
    """Return the value of a query parameter or a form field, or the mask."""
    return MASK if _is_credential(name, value, path) else mask_plain(value)


_PIECE = re.compile(
    r"((?:token|" + "|".join(sorted(SECRET_NAMES)) + r")\\*[\"']?\s*[:=]\s*\\*[\"']?)[^\s\"'&,}\\]+",
    re.IGNORECASE,
)


def _mask_pieces(text: str) -> str:
    """Mask in what is not JSON, where only the look of a text says what is a credential."""
    return mask_plain(_PIECE.sub(rf"\g<1>{MASK}", text))


def mask_values(text: str, secrets: Iterable[str]) -> str:
    """Return a text in which none of these values stands.

    Args:
        text: The text to mask, of any format.
        secrets: Credentials that are known, such as the secrets of apps; short ones (below 8 characters) are
            left, since ordinary words would contain them.
    """
    for secret in secrets:
        if len(secret) >= 8 and secret in text:  # noqa: PLR2004 - see above
            text = text.replace(secret, MASK)
    return text
