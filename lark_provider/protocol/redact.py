"""Mask secrets in texts: an answer of Lark or of a proxy may quote what was sent."""

from __future__ import annotations

import re

MASK = "***"
_SHORT, _UNMISTAKABLE = 4, 8  # characters

_PATTERNS = (
    re.compile(r"(?i)(bearer\s+)[^\s\"',;]+"),
    re.compile(
        r"(?i)((?:app_secret|app_ticket|access_token|verification_token|encrypt(?:ion)?_key|password)"
        r"[\\\"']*\s*[:=]\s*[\\\"']*)"
        r"[^\s\\\"'&,;}]+"
    ),
    re.compile(r"()\b[tua]-[A-Za-z0-9_.-]{10,}"),
    re.compile(r"(://[^/\s:@]*:)[^/\s@]+(?=@)"),
    re.compile(r"(/bot/(?:v2/)?hook/)[^\s/?\"'<>]+"),
)
# Anchored at both ends of a word: trying the pattern from each character of a long text would take hours.
_ADDRESS = re.compile(r"(?<![^\s@,;:/\\\"'<>])[^\s@,;:/\\\"'<>]++(?=@[\w-]+(?:\.[\w-]+)+)")
_MOBILE = re.compile(r"\+\d{4,}(?=\d{2})")


def mask_addresses(text: str) -> str:
    """Mask e-mail addresses and mobile numbers, which are personal data, in a text that is stored in clear.

    Args:
        text: The text, such as the key of a message, which names its receiver.

    Returns:
        The text with `***@example.com` and `***89` in their places.
    """
    return _MOBILE.sub(MASK, _ADDRESS.sub(MASK, text))


def redact(text: str, *secrets: str | None) -> str:
    """Mask secrets in a text that will be shown.

    Args:
        text: The text to be shown.
        secrets: Values known to be secret, which are masked wherever they occur. One of fewer than 8
            characters is masked only as a whole word, and one of fewer than 4 only after a name such as
            `password=`, since too many words contain it.

    Returns:
        The text with those values, bearer tokens, Lark tokens, secret-looking parameters, passwords in
        URLs and webhook tokens replaced by `***`.
    """
    for secret in secrets:
        if secret and len(secret) >= _UNMISTAKABLE:
            text = text.replace(secret, MASK)
        elif secret and len(secret) >= _SHORT:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{MASK}", text)
    return text
