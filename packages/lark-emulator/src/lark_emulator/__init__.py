"""A local Lark / Feishu server for development and tests.

It shares no code with the clients that are tested against it, so that a mistake shared by both cannot cancel
itself out: what it answers rests on Lark's documentation and on the official SDK, which the conformance tests
drive unchanged. ``docs/coverage.md`` lists what is emulated and what each endpoint rests on.
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_emulator.runner import Emulator
    from lark_emulator.serving import serve

__all__ = ["Emulator", "__version__", "serve"]


def __getattr__(name: str) -> object:
    """Load the server only when it is asked for, so that the package itself imports in no time."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lark_emulator import runner, serving

    return getattr(serving if name == "serve" else runner, name)
