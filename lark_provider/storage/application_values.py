"""Check the values of an app before they are stored in the registry."""

from __future__ import annotations

from lark_provider import config
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.support.secret import Secret

_MAX_ID = 255


def check(value: str, what: str) -> str:
    """Return an id or a secret without the spaces around it, masked unless it is the id.

    Args:
        value: The value.
        what: The argument that it is, for errors.

    Raises:
        ConfigurationError: It is empty or too long, or has spaces or control characters in it.
    """
    kind = str if what == "app_id" else Secret
    stripped = kind(value.strip() if isinstance(value, str) else "")
    if not stripped or any(character.isspace() or not character.isprintable() for character in stripped):
        must = "not be empty" if not stripped else "be a string without spaces and control characters"
        raise ConfigurationError(f"{what} must {must}. Next: copy it from the app's page in the console.")
    if len(stripped) > _MAX_ID and what == "app_id":
        raise ConfigurationError(
            f"{what} must have at most {_MAX_ID} characters, got {len(stripped)}. Next: copy it again."
        )
    return stripped


def strip_text(value: str | None, what: str) -> str:
    """Return a text without the spaces around it; empty for None.

    Args:
        value: The text.
        what: The argument that it is, for errors.

    Raises:
        ConfigurationError: A database cannot store it.
    """
    stripped = (value or "").strip()
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in stripped):
        raise ConfigurationError(
            f"{what} must be UTF-8 text without zero bytes, got {stripped!a:.80}. Next: write it as UTF-8."
        )
    return stripped


def normalize_url(value: str | None) -> str:
    """Return the URL of an app's Lark; empty if each client's own setting applies.

    Args:
        value: `feishu`, `lark`, or a URL.

    Raises:
        ConfigurationError: It is none of these.
    """
    return strip_text(config.resolve_base_url(value), "base_url") if value and value.strip() else ""
