"""Choose the HTTP library of the process, once: httpx where it is loaded and httpx2 is not, else httpx2.

Both have one API. A process that has httpx for its own work would load a second library of the same size for
nothing; httpx2 is the faster one with many requests at a time.
"""

from __future__ import annotations

import importlib
import sys
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import httpx
    import httpx2

    SyncClient: TypeAlias = httpx.Client | httpx2.Client
    AsyncClient: TypeAlias = httpx.AsyncClient | httpx2.AsyncClient

_NAMES = ("httpx2", "httpx")


@cache
def choose_library() -> Any:
    """Return the library for clients of ours, chosen when it is first asked for."""
    return importlib.import_module(
        "httpx" if "httpx" in sys.modules and "httpx2" not in sys.modules else "httpx2"
    )


def find_library(client: object) -> Any:
    """Return the library that a client comes from.

    Args:
        client: A client of httpx or httpx2, blocking or asynchronous.

    Raises:
        TypeError: It is something else.
    """
    for name in _NAMES:
        module = sys.modules.get(name)
        if module is not None and isinstance(client, module.Client | module.AsyncClient):
            return module
    raise TypeError(
        f"client must be one of httpx or httpx2, got {type(client).__name__}. Next: pass an httpx.Client or "
        "httpx2.Client."
    )


def is_client(value: object, *, is_async: bool) -> bool:
    """Return whether a value is a client of either library.

    Args:
        value: What a user passed.
        is_async: Whether it has to be an `AsyncClient` or a `Client`.
    """
    kind = "AsyncClient" if is_async else "Client"
    modules = [sys.modules[name] for name in _NAMES if name in sys.modules]
    return any(isinstance(value, getattr(module, kind)) for module in modules)
