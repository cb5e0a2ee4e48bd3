"""Clients as they are in different processes."""

from __future__ import annotations

import copy
from typing import Any

from lark_provider.engine.token_cache import TokenCache


def own_tokens(client: Any) -> None:
    """Give a client a token cache that it shares with none; it shares the rest with its process."""
    runtime = copy.copy(client._session.runtime)
    runtime.tokens = TokenCache()
    client._session.runtime = runtime
