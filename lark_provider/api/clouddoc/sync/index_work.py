"""Work on the index of a sync."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, ParamSpec, TypeVar

from lark_provider.protocol.operations import Procedure, run_local

P = ParamSpec("P")
T = TypeVar("T")

_WORK_SECONDS: Final = 600.0


def work(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Procedure[T]:
    """Call a function that uses the index, where its blocking does not hold up an event loop.

    Args:
        function: The function.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
    """
    return (yield from run_local(partial(function, *args, **kwargs), _WORK_SECONDS))
