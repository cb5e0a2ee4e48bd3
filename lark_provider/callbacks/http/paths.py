"""The path of the callback URLs."""

from __future__ import annotations

import re

from lark_provider.protocol.errors import ConfigurationError

APP_ID = "{app_id}"
PATH = f"/lark/callbacks/{APP_ID}"
_VALID = re.compile(r"(?:/(?:\{app_id\}|[A-Za-z0-9._~-]+))+")


def check(path: str) -> str:
    """Return a path for callback URLs if it is valid.

    Args:
        path: Begins with `/`, and has `{app_id}` once, as one of its parts.

    Raises:
        ConfigurationError: It is invalid.
    """
    if _VALID.fullmatch(path) and path.count(APP_ID) == 1:
        return path
    raise ConfigurationError(
        f"The path must begin with / and have {APP_ID} once, as one of its parts, got {path!r}. Next: write "
        f"it as /hooks/lark/{APP_ID}."
    )
