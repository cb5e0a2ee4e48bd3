"""Custom bots: a webhook's URL is all the credential there is, and an optional secret signs each message."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lark_provider.protocol.errors import ConfigurationError

HOOK_PATH = "/open-apis/bot/v2/hook/"
_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
_WHERE = "Next: copy the webhook URL from the group's settings → bots; it ends in /open-apis/bot/v2/hook/…."


@dataclass(frozen=True, slots=True)
class Webhook:
    """A custom bot: who has its token can write to its group.

    Attributes:
        base_url: The URL before `/open-apis`.
        token: The last part of the webhook's URL.
        secret: What its messages are signed with, if the bot asks for signatures.
        keywords: The bot accepts only messages that hold one of these; empty if nothing is known of any.
    """

    base_url: str
    token: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)
    keywords: tuple[str, ...] = ()


def locate(url_or_token: str) -> tuple[str | None, str]:
    """Take a webhook's URL apart.

    Args:
        url_or_token: The URL as Lark shows it, or only its last part.

    Returns:
        The URL before `/open-apis`, None for a bare token; and the token.

    Raises:
        ConfigurationError: It is neither. The text quotes nothing of it, for it may be nearly right.
    """
    given = url_or_token.strip() if isinstance(url_or_token, str) else ""
    if not given:
        raise ConfigurationError(f"The webhook is empty. {_WHERE}")
    if "/" not in given:
        origin, token = None, given
    else:
        try:
            parts = urlsplit(given if "://" in given else f"https://{given}")
        except ValueError:
            parts = urlsplit("")
        before, found, token = parts.path.partition(HOOK_PATH)
        if not found or parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
            raise ConfigurationError(f"The webhook is no URL of a custom bot. {_WHERE}")
        origin, token = f"{parts.scheme}://{parts.netloc}{before}", token.rstrip("/")
    if not _TOKEN.fullmatch(token):
        raise ConfigurationError(f"The webhook's last part is no token of a custom bot. {_WHERE}")
    return origin, token


def sign(secret: str, timestamp: str) -> str:
    """Sign for a custom bot: the key is made of time and secret, and the message signed is empty.

    Args:
        secret: The bot's.
        timestamp: Seconds since the epoch, as it is sent.
    """
    digest = hmac.new(f"{timestamp}\n{secret}".encode(), b"", hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
