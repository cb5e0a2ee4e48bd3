"""Keep secrets out of texts: what Lark or a proxy answered may quote what we sent."""

from __future__ import annotations

import re

MASK = "***"

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


def redact(text: str, *secrets: str | None) -> str:
    """Mask secrets in a text that will be shown.

    Args:
        text: What is to be shown.
        secrets: Values known to be secret; masked wherever they stand.

    Returns:
        The text with those values, bearer tokens, Lark tokens, secret-looking parameters, passwords in
        URLs and webhook tokens replaced by `***`.
    """
    for secret in secrets:
        if secret:
            text = text.replace(secret, MASK)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{MASK}", text)
    return text
