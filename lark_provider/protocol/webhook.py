"""Custom bots: the webhook's URL is the credential, and an optional secret signs each message."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lark_provider.protocol.errors import ConfigurationError
from lark_provider.support.secret import Secret

HOOK_PATH = "/open-apis/bot/v2/hook/"
_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
_WHERE = "Next: copy the webhook URL from the group's settings → bots; it ends in /open-apis/bot/v2/hook/…."


@dataclass(frozen=True, slots=True)
class Webhook:
    """A custom bot. Anyone who has its token can write to its group.

    Attributes:
        base_url: The URL before `/open-apis`.
        token: The last part of the webhook's URL.
        secret: The secret with which messages are signed, if the bot requires signatures.
        keywords: Keywords of which a message must contain one; empty if none is known.
    """

    base_url: str
    token: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)
    keywords: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Replace token and secret by values that are masked when they are shown."""
        object.__setattr__(self, "token", Secret(self.token))
        object.__setattr__(self, "secret", Secret.of(self.secret))


def locate(url_or_token: str) -> tuple[str | None, Secret]:
    """Split a webhook's URL.

    Args:
        url_or_token: The URL as Lark shows it, or only its last part.

    Returns:
        The URL before `/open-apis`, None for a bare token; and the token.

    Raises:
        ConfigurationError: It is neither. The text quotes nothing of it, since it may hold a secret.
    """
    # The parameter itself is masked too, since error reporters send the variables of a frame.
    secret = url_or_token = Secret(url_or_token.strip() if isinstance(url_or_token, str) else "")
    if not secret:
        raise ConfigurationError(f"The webhook must not be empty. {_WHERE}")
    location = _split(secret) if "/" in secret else (None, secret)
    if location is None:
        raise ConfigurationError(f"The webhook must be the URL of a custom bot, got another text. {_WHERE}")
    if not _TOKEN.fullmatch(location[1]):
        raise ConfigurationError(
            f"The webhook must end in a token of letters, digits, - and _, got another text. {_WHERE}"
        )
    return location


def _split(url: str) -> tuple[str, Secret] | None:
    """Split a webhook's URL; None if it is not one. It raises no error, whose frame would hold the token."""
    try:
        parts = urlsplit(url if "://" in url else f"https://{url}")
    except ValueError:
        return None
    before, separator, token = parts.path.partition(HOOK_PATH)
    if not separator or parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
        return None
    return f"{parts.scheme}://{parts.netloc}{before}", Secret(token.rstrip("/"))


def sign_timestamp(secret: str, timestamp: str) -> str:
    """Return the signature that a custom bot checks: the HMAC of an empty message, keyed by time and secret.

    Args:
        secret: The secret of the bot.
        timestamp: The time of the message in seconds since the epoch, as text, as it is sent.
    """
    digest = hmac.new(f"{timestamp}\n{secret}".encode(), b"", hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
